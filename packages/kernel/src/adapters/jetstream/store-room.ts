/**
 * Finds out how much room a NATS server has for streams: no request tells it, so a stream that
 * nobody uses is made with the wanted budget and removed at once.
 *
 * Several kernels may do so at once: they share the name, so that one of them sees the other's.
 */
import { describeApiError, isApiError, StorageType } from '@llmos/wire';
import type { JetStreamManager } from '@llmos/wire';
import { setTimeout as pause } from 'node:timers/promises';
import { EDGE_LIMITS } from '../../edge-limits';
import type { Budgets } from './store-budgets';
import { budgetTries } from './store-budgets';

export interface StoreRoomOptions {
  readonly manager: JetStreamManager;
  /** Wanted; fewer are used where servers of the cluster are away or run without JetStream. */
  readonly replicas: number;
}

/** Listens to a subject that nobody publishes to. */
const PROBE = 'LLMOS_PROBE';
const PROBE_SUBJECT = 'llmos.probe.room';

export class StoreRoom {
  #replicas: number | undefined;
  #failure: string | undefined;

  constructor(private readonly options: StoreRoomOptions) {}

  /** What the server last said of a probe that it could not make. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /**
   * The largest budgets that fit the server, all scaled alike; `busy` where another kernel probes,
   * or has made something meanwhile.
   */
  async fit(wanted: Budgets): Promise<Budgets | 'busy' | 'too-small'> {
    if (wanted.size === 0) return wanted;
    for (const { budgets, roomBytes } of budgetTries(wanted)) {
      const outcome = await this.#try(roomBytes, await this.replicas());
      if (outcome === 'fits') return budgets;
      if (outcome === 'busy' || (await this.#isAnyMade(wanted))) return 'busy';
    }
    return 'too-small';
  }

  /** Whether the server takes streams of so many more bytes; false while another kernel probes. */
  async has(bytes: number): Promise<boolean> {
    return (await this.#try(bytes, await this.replicas())) === 'fits';
  }

  /** As many as servers of the cluster take a small stream: what is refused then lacks room. */
  async replicas(): Promise<number> {
    let count = this.#replicas ?? this.options.replicas;
    for (let tries = 1; this.#replicas === undefined && count > 1; tries += 1) {
      const outcome = await this.#try(EDGE_LIMITS.leastStreamBytes, count);
      if (outcome === 'fits') break;
      if (outcome === 'busy' && tries < EDGE_LIMITS.prepareTries)
        await pause(EDGE_LIMITS.prepareRetryMs);
      else count -= 1;
    }
    return (this.#replicas = count);
  }

  async #isAnyMade(wanted: Budgets): Promise<boolean> {
    for (const name of wanted.keys()) {
      try {
        await this.options.manager.streams.info(name);
        return true;
      } catch (error) {
        if (!isApiError(error, 'streamNotFound')) throw error;
      }
    }
    return false;
  }

  async #try(maxBytes: number, replicas: number): Promise<'fits' | 'too-small' | 'busy'> {
    const { streams } = this.options.manager;
    try {
      await streams.add({
        name: PROBE,
        subjects: [PROBE_SUBJECT],
        storage: StorageType.File,
        max_bytes: maxBytes,
        num_replicas: replicas,
      });
    } catch (error) {
      if (isApiError(error, 'streamNameInUse')) {
        await this.#remove();
        return 'busy';
      }
      if (isLackOfRoom(error)) return 'too-small';
      if (!isApiError(error, 'streamCreateFailed', 'storeFailed')) throw error;
      // So it says, too, where another kernel removes the probe while it is being made.
      this.#failure = describeApiError(error);
      return 'busy';
    }
    await this.#remove();
    return 'fits';
  }

  async #remove(): Promise<void> {
    try {
      await this.options.manager.streams.delete(PROBE);
    } catch (error) {
      if (!isApiError(error, 'streamNotFound')) throw error;
    }
  }
}

/** A single server says the first; a cluster says that none of its servers will do. */
export function isLackOfRoom(error: unknown): boolean {
  return (
    isApiError(error, 'insufficientStorage', 'insufficientResources') ||
    isApiError(error, 'noSuitablePeers', 'replicasNotSupported')
  );
}

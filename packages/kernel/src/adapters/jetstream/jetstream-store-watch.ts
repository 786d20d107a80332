/**
 * Notes, while this kernel leads, the last sequence of each store some time after it was seen, and
 * notices stores that are behind what was noted: at the begin, after each reconnect (the server may
 * have been started on other files), and whenever it notes. It only tells; a start refuses.
 */
import type { Logger, StoreBehind, StoreSequences } from '@llmos/base';
import { describeBehind, storesBehind } from '@llmos/base';
import { describeApiError, followLink } from '@llmos/wire';
import type { JetStreamManager, NatsConnection } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { StoreWatch } from '../../ports/store-watch';
import { changeNotedSequences, readNotedSequences, sequencesOfStores } from './noted-sequences';

export interface StoreWatchOptions {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly log: Logger;
  readonly names: readonly string[];
  /** Longer than the server may keep what it has acknowledged from its disk. */
  readonly noteMs: number;
}

export class JetStreamStoreWatch implements StoreWatch {
  private timer: NodeJS.Timeout | undefined;
  private behind: readonly StoreBehind[] = [];
  /** At the last look. */
  private seen: StoreSequences = new Map();

  constructor(private readonly options: StoreWatchOptions) {
    followLink(options.connection, {
      onReconnected: () => {
        if (this.timer !== undefined) void this.look('compare');
      },
    });
  }

  begin(): void {
    this.timer = setInterval(() => void this.look('note'), this.options.noteMs);
    void this.look('compare');
  }

  end(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.behind = [];
  }

  lost(): string | undefined {
    return this.behind.length === 0 ? undefined : this.behind.map(describeBehind).join('; ');
  }

  /** Never rejects: there is a next look. */
  private async look(purpose: 'note' | 'compare'): Promise<void> {
    const { manager, names, log } = this.options;
    try {
      const noted = await readNotedSequences(manager);
      const found = await sequencesOfStores(manager, names);
      if (this.timer === undefined) return;
      this.tell(storesBehind(noted, found));
      const { seen } = this;
      this.seen = found;
      if (purpose === 'note') await this.note(seen, found);
    } catch (error) {
      log.warn('store-watch-failed', { reason: describeApiError(error) });
    }
  }

  private tell(behind: readonly StoreBehind[]): void {
    const before = this.lost();
    this.behind = behind;
    const lost = this.lost();
    if (lost !== undefined && lost !== before) this.options.log.error('stores-behind', { lost });
  }

  /** What was seen at the last look and is there still (N1). */
  private async note(seen: StoreSequences, found: StoreSequences): Promise<void> {
    const { connection, manager } = this.options;
    const jetstream = connection.jetstream({ timeout: EDGE_LIMITS.requestTimeoutMs });
    await changeNotedSequences({ manager, jetstream }, (noted) => {
      const settled = [...seen].map(([name, sequence]): [string, number] => {
        const still = Math.min(sequence, found.get(name) ?? 0);
        return [name, Math.max(still, noted.get(name) ?? 0)];
      });
      return new Map([...noted, ...settled]);
    });
  }
}

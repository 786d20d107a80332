/**
 * Follows the leader's record. The bucket may not exist yet (the kernel creates it): then it waits.
 * A poll beside the watch repairs whatever a watch can miss.
 */
import type { Logger, ServerTime } from '@llmos/base';
import { BUCKETS, decodeJson, isRecord } from '@llmos/base';
import type { KV, KvEntry, NatsConnection, QueuedIterator } from 'nats';
import type { LeaderAddress } from '../../agent/kernel-session';
import { AGENT_LIMITS } from '../../limits';
import { readAddress } from '../grpc/codec';

export interface LeaderWatch {
  close(): void;
}

export interface LeaderWatchOptions {
  readonly connection: NatsConnection;
  readonly log: Logger;
  /** Hears of each renewal of the lease, which is a stamp of the server's clock. */
  readonly time: ServerTime;
  /** Called with each reading, also where nothing changed. */
  readonly onLeader: (leader: LeaderAddress | undefined) => void;
}

const LEADER_KEY = 'leader';

export function watchLeader(options: LeaderWatchOptions): LeaderWatch {
  const watch = new JetStreamLeaderWatch(options);
  void watch.run();
  return watch;
}

class JetStreamLeaderWatch implements LeaderWatch {
  private isClosed = false;
  private revision = 0;
  private entries: QueuedIterator<KvEntry> | undefined;
  private wake: () => void = () => undefined;

  constructor(private readonly options: LeaderWatchOptions) {}

  async run(): Promise<void> {
    while (!this.isClosed) {
      try {
        await this.follow(await this.bind());
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        this.options.log.debug('leader-watch-failed', { message });
      }
      await this.pause(AGENT_LIMITS.bucketRetryMs);
    }
  }

  close(): void {
    this.isClosed = true;
    this.entries?.stop();
    this.wake();
  }

  /** Binds without creating: only kernels create buckets. Throws while there is none. */
  private async bind(): Promise<KV> {
    const { views } = this.options.connection.jetstream();
    const bucket = await views.kv(BUCKETS.leader, { bindOnly: true });
    if ((await bucket.status()).streamInfo.config.allow_direct) {
      // nats-server 2.9 dies of a read by its stream API while it creates the stream; a direct
      // read is answered by streams alone that are complete.
      const direct = await views.kv(BUCKETS.leader, { bindOnly: true, allow_direct: true });
      await direct.get(LEADER_KEY);
    }
    return bucket;
  }

  private async follow(bucket: KV): Promise<void> {
    this.take(await bucket.get(LEADER_KEY));
    const entries = await bucket.watch({ key: LEADER_KEY });
    this.entries = entries;
    const poll = this.poll(bucket, entries);
    try {
      let isFirst = true;
      for await (const entry of entries) {
        // The first one lay there already.
        if (!isFirst) this.hear(entry);
        isFirst = false;
        this.take(entry);
      }
    } finally {
      entries.stop();
      this.wake();
      await poll;
    }
  }

  private async poll(bucket: KV, entries: QueuedIterator<KvEntry>): Promise<void> {
    while (!this.isClosed && this.entries === entries) {
      await this.pause(AGENT_LIMITS.leaderPollMs);
      try {
        this.take(await bucket.get(LEADER_KEY));
      } catch {
        // The watch starts over, which waits for the bucket.
        entries.stop();
        return;
      }
    }
  }

  private hear(entry: KvEntry): void {
    const { time } = this.options;
    time.hear({ stampWallMs: entry.created.getTime(), heardAtMs: time.steady.nowMs() });
  }

  private take(entry: KvEntry | null): void {
    if (this.isClosed || (entry !== null && entry.revision < this.revision)) return;
    this.revision = entry?.revision ?? 0;
    this.options.onLeader(entry === null ? undefined : readLeader(entry));
  }

  private pause(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Undefined where nobody leads or the record can't be read. */
export function readLeader(entry: {
  readonly value: Uint8Array;
  readonly revision: number;
}): LeaderAddress | undefined {
  let record: unknown;
  try {
    record = decodeJson(entry.value);
  } catch {
    return undefined;
  }
  if (!isRecord(record) || record['isReleased'] === true) return undefined;
  const url = readAddress(record['grpcUrl']);
  const epoch = record['epoch'];
  if (url === undefined || typeof epoch !== 'number' || !Number.isSafeInteger(epoch)) {
    return undefined;
  }
  // The granting write does not know its own revision yet, which is the epoch.
  return { url, epoch: epoch === 0 ? entry.revision : epoch };
}

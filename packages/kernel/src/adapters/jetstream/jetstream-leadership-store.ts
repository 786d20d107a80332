/** The leader's record in the bucket `llmos_leader`, written by compare-and-set. */
import type { Epoch, LeaderRecord, Logger, OnSkipped, ServerTime, StampHeard } from '@llmos/base';
import {
  BUCKETS,
  LEADER_KEY as KEY,
  LEADER_STREAM,
  LEADER_SUBJECT as SUBJECT,
  asEpoch,
  encodeJson,
  readLeaderRecord,
} from '@llmos/base';
import type { BucketRow, JetStreamClient, JetStreamManager, NatsConnection } from '@llmos/wire';
import { watchBucket, isConflict, readLast, createInbox } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { LeadershipStore, StoredLeader } from '../../ports/leadership-store';

export interface LeadershipStoreParts {
  /** False while this kernel could do nothing with a lease. */
  readonly mayLead: () => boolean;
  readonly time: ServerTime;
  readonly log: Logger;
  readonly onSkipped: OnSkipped;
}

/** Each renewal of the lease is a stamp of the server's clock that every kernel hears of at once. */
export class JetStreamLeadershipStore implements LeadershipStore {
  /** The last write of this kernel. */
  private written = { revision: 0, sentAtMs: 0 };
  /** It may be heard of before the write is acknowledged. */
  private heard: (StampHeard & { readonly revision: number }) | undefined;

  private constructor(
    private readonly connection: NatsConnection,
    private readonly manager: JetStreamManager,
    private readonly jetstream: JetStreamClient,
    private readonly parts: LeadershipStoreParts,
  ) {}

  static async open(
    connection: NatsConnection,
    parts: LeadershipStoreParts,
  ): Promise<JetStreamLeadershipStore> {
    const options = { timeout: EDGE_LIMITS.requestTimeoutMs };
    const manager = await connection.jetstreamManager({ ...options, checkAPI: false });
    const jetstream = connection.jetstream(options);
    return new JetStreamLeadershipStore(connection, manager, jetstream, parts);
  }

  async read(): Promise<StoredLeader | undefined> {
    const stored = await readLast(this.manager, LEADER_STREAM, SUBJECT);
    if (stored === undefined) return undefined;
    const { data: value, seq: revision } = stored;
    return { record: readLeaderRecord({ value, revision }), revision };
  }

  /** Whose epoch it is now, by the leader of the stream. */
  async readEpoch(): Promise<Epoch | undefined> {
    const record = (await this.read())?.record;
    return record === undefined ? undefined : asEpoch(record.epoch);
  }

  async write(
    record: LeaderRecord,
    expectedRevision: number,
  ): Promise<{ kind: 'written'; revision: number } | { kind: 'conflict' }> {
    const { mayLead, time } = this.parts;
    if (!record.isReleased && !mayLead()) throw new Error('the connection to NATS is down');
    const sentAtMs = time.steady.nowMs();
    try {
      // The bucket's own update refuses revision 0, and its create reads first.
      const ack = await this.jetstream.publish(SUBJECT, encodeJson(record), {
        expect: { lastSubjectSequence: expectedRevision },
      });
      this.written = { revision: ack.seq, sentAtMs };
      if (this.heard?.revision === ack.seq) time.hear({ ...this.heard, sentAtMs });
      return { kind: 'written', revision: ack.seq };
    } catch (error) {
      if (isConflict(error)) return { kind: 'conflict' };
      throw error;
    }
  }

  watch(onChange: () => void): Promise<() => void> {
    const { log, onSkipped } = this.parts;
    const watch = watchBucket<BucketRow>({
      ...{ connection: this.connection, createInbox, log, onSkipped },
      bucket: BUCKETS.leader,
      key: KEY,
      maxRows: 1,
      read: (row) => row,
      onRows: (rows, change) => {
        // What lay there already has no stamp of now, unless it is our own.
        const lying = rows.get(KEY);
        const heard = change ?? (lying?.revision === this.written.revision ? lying : undefined);
        if (heard !== undefined) this.hear(heard);
        onChange();
      },
    });
    return Promise.resolve(() => watch.close());
  }

  private hear({ revision, storedWallMs }: BucketRow): void {
    const { time } = this.parts;
    const heardAtMs = time.steady.nowMs();
    this.heard = { revision, stampWallMs: storedWallMs, heardAtMs };
    const { written } = this;
    const own = written.revision === revision ? { sentAtMs: written.sentAtMs } : {};
    time.hear({ ...this.heard, ...own });
  }
}

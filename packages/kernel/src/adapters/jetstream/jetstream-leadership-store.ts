/** The leader's record in the bucket `llmos_leader`, written by compare-and-set. */
import type { KernelId, ServerTime, StampHeard } from '@llmos/base';
import { BUCKETS, decodeJson, encodeJson, isRecord, tryToken } from '@llmos/base';
import type { JetStreamClient, KV, KvEntry, NatsConnection } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import type { LeaderRecord, LeadershipStore, StoredLeader } from '../../ports/leadership-store';
import { isConflict } from './api-errors';

const KEY = 'leader';
const SUBJECT = `$KV.${BUCKETS.leader}.${KEY}`;

export interface LeadershipStoreParts {
  /** False while this kernel could do nothing with a lease. */
  readonly mayLead: () => boolean;
  readonly time: ServerTime;
}

/** Each renewal of the lease is a stamp of the server's clock that every kernel hears of at once. */
export class JetStreamLeadershipStore implements LeadershipStore {
  /** The last write of this kernel. */
  private written = { revision: 0, sentAtMs: 0 };
  /** It may be heard of before the write is acknowledged. */
  private heard: (StampHeard & { readonly revision: number }) | undefined;

  private constructor(
    private readonly bucket: KV,
    private readonly jetstream: JetStreamClient,
    private readonly parts: LeadershipStoreParts,
  ) {}

  static async open(
    connection: NatsConnection,
    parts: LeadershipStoreParts,
  ): Promise<JetStreamLeadershipStore> {
    const jetstream = connection.jetstream({ timeout: EDGE_LIMITS.requestTimeoutMs });
    const bucket = await jetstream.views.kv(BUCKETS.leader, { bindOnly: true });
    return new JetStreamLeadershipStore(bucket, jetstream, parts);
  }

  async read(): Promise<StoredLeader | undefined> {
    const entry = await this.bucket.get(KEY);
    if (entry === null) return undefined;
    return { record: readLeaderRecord(entry.value), revision: entry.revision };
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

  async watch(onChange: () => void): Promise<() => void> {
    const entries = await this.bucket.watch({ key: KEY });
    let isFirst = true;
    void (async () => {
      for await (const entry of entries) {
        if (entry.key !== KEY) continue;
        // The first one lay there already, unless it is our own; its stamp is no moment of now.
        if (!isFirst || entry.revision === this.written.revision) this.hear(entry);
        isFirst = false;
        onChange();
      }
    })().catch(() => undefined); // a lost hint: the reader reads at intervals anyway
    return () => entries.stop();
  }

  private hear({ revision, created }: KvEntry): void {
    const { time } = this.parts;
    const heardAtMs = time.steady.nowMs();
    this.heard = { revision, stampWallMs: created.getTime(), heardAtMs };
    const { written } = this;
    const own = written.revision === revision ? { sentAtMs: written.sentAtMs } : {};
    time.hear({ ...this.heard, ...own });
  }
}

/** A record that can't be read counts as released: nobody can lead by it. */
export function readLeaderRecord(bytes: Uint8Array): LeaderRecord {
  let value: unknown;
  try {
    value = decodeJson(bytes);
  } catch {
    value = undefined;
  }
  const fields = isRecord(value) ? value : {};
  const { kernelId, epoch, httpUrl, grpcUrl, isReleased } = fields;
  const isEpoch = typeof epoch === 'number' && Number.isSafeInteger(epoch) && epoch >= 0;
  return {
    kernelId: tryToken<KernelId>(kernelId) ?? ('unknown' as KernelId),
    epoch: isEpoch ? epoch : 0,
    httpUrl: typeof httpUrl === 'string' ? httpUrl : '',
    grpcUrl: typeof grpcUrl === 'string' ? grpcUrl : '',
    isReleased: isReleased === true || !isRecord(value),
  };
}

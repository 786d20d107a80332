/** The leader's record in the bucket `llmos_leader`, written by compare-and-set. */
import type { KernelId } from '@llmos/base';
import { BUCKETS, decodeJson, encodeJson, isRecord, tryToken } from '@llmos/base';
import type { JetStreamClient, KV, NatsConnection } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import type { LeaderRecord, LeadershipStore, StoredLeader } from '../../ports/leadership-store';
import { isConflict } from './api-errors';

const KEY = 'leader';
const SUBJECT = `$KV.${BUCKETS.leader}.${KEY}`;

export class JetStreamLeadershipStore implements LeadershipStore {
  private constructor(
    private readonly bucket: KV,
    private readonly jetstream: JetStreamClient,
    private readonly mayLead: () => boolean,
  ) {}

  /** @param mayLead false while this kernel could do nothing with a lease. */
  static async open(
    connection: NatsConnection,
    mayLead: () => boolean,
  ): Promise<JetStreamLeadershipStore> {
    const jetstream = connection.jetstream({ timeout: EDGE_LIMITS.requestTimeoutMs });
    const bucket = await jetstream.views.kv(BUCKETS.leader, { bindOnly: true });
    return new JetStreamLeadershipStore(bucket, jetstream, mayLead);
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
    if (!record.isReleased && !this.mayLead()) throw new Error('the connection to NATS is down');
    try {
      // The bucket's own update refuses revision 0, and its create reads first.
      const ack = await this.jetstream.publish(SUBJECT, encodeJson(record), {
        expect: { lastSubjectSequence: expectedRevision },
      });
      return { kind: 'written', revision: ack.seq };
    } catch (error) {
      if (isConflict(error)) return { kind: 'conflict' };
      throw error;
    }
  }

  async watch(onChange: () => void): Promise<() => void> {
    const entries = await this.bucket.watch({ key: KEY });
    void (async () => {
      for await (const entry of entries) {
        if (entry.key === KEY) onChange();
      }
    })().catch(() => undefined); // a lost hint: the reader reads at intervals anyway
    return () => entries.stop();
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

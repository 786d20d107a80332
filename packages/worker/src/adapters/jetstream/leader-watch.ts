/** Follows the leader's record. The bucket may not exist yet (kernels create it): then it waits. */
import type { BucketRow, Logger, OnSkipped, ServerTime } from '@llmos/base';
import { BUCKETS, decodeJson, isRecord, watchBucket } from '@llmos/base';
import type { NatsConnection } from 'nats';
import { createInbox } from 'nats';
import type { LeaderAddress } from '../../agent/kernel-session';
import { readAddress } from '../grpc/codec';

export interface LeaderWatch {
  close(): void;
}

export interface LeaderWatchOptions {
  readonly connection: NatsConnection;
  readonly log: Logger;
  readonly onSkipped: OnSkipped;
  /** Hears of each renewal of the lease, which is a stamp of the server's clock. */
  readonly time: ServerTime;
  /** Called with each reading, also where nothing changed. */
  readonly onLeader: (leader: LeaderAddress | undefined) => void;
}

const LEADER_KEY = 'leader';

export function watchLeader(options: LeaderWatchOptions): LeaderWatch {
  const { time, onLeader, ...shared } = options;
  return watchBucket<BucketRow>({
    ...shared,
    createInbox,
    bucket: BUCKETS.leader,
    key: LEADER_KEY,
    maxRows: 1,
    read: (row) => row,
    onRows: (rows, change) => {
      // What lay there already has no stamp of now.
      if (change !== undefined) {
        time.hear({ stampWallMs: change.storedWallMs, heardAtMs: time.steady.nowMs() });
      }
      const row = rows.get(LEADER_KEY);
      onLeader(row === undefined ? undefined : readLeader(row));
    },
  });
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

/** Follows the leader's record. The bucket may not exist yet (kernels create it): then it waits. */
import type { Logger, OnSkipped, ServerTime } from '@llmos/base';
import { BUCKETS, LEADER_KEY, readLeaderRecord } from '@llmos/base';
import type { BucketRow, NatsConnection } from '@llmos/wire';
import { watchBucket, readAddress, createInbox } from '@llmos/wire';
import type { LeaderAddress } from '../../agent/kernel-session';

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
      const leader = row === undefined ? undefined : readLeader(row);
      // Whoever led goes on leading: it writes its record again.
      if (leader !== 'foreign') onLeader(leader);
      else options.log.warn('leader-record-foreign', { revision: row?.revision });
    },
  });
}

/** Undefined where nobody leads, `foreign` where no kernel can have written the record. */
export function readLeader(entry: {
  readonly value: Uint8Array;
  readonly revision: number;
}): LeaderAddress | 'foreign' | undefined {
  const record = readLeaderRecord(entry);
  const url = readAddress(record?.grpcUrl);
  if (record === undefined || url === undefined) return 'foreign';
  return record.isReleased ? undefined : { url, epoch: record.epoch };
}

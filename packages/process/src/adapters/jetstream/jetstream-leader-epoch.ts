/** Reads the epoch of the leader's record; the leader of the stream answers, never a follower. */
import type { Epoch } from '@llmos/base';
import { LEADER_STREAM, LEADER_SUBJECT, readLeaderRecord } from '@llmos/base';
import { isApiError, readLast } from '@llmos/wire';
import type { NatsConnection } from '@llmos/wire';
import { PROCESS_LIMITS } from '../../limits';

/** Undefined where there is no record, or none that a kernel can have written. */
export type ReadLeaderEpoch = () => Promise<Epoch | undefined>;

export async function createLeaderEpoch(connection: NatsConnection): Promise<ReadLeaderEpoch> {
  const options = { timeout: PROCESS_LIMITS.epochReadMs, checkAPI: false };
  const manager = await connection.jetstreamManager(options);
  return async () => {
    try {
      const stored = await readLast(manager, LEADER_STREAM, LEADER_SUBJECT);
      return stored && readLeaderRecord({ value: stored.data, revision: stored.seq })?.epoch;
    } catch (error) {
      if (isApiError(error, 'streamNotFound')) return undefined;
      throw error;
    }
  };
}

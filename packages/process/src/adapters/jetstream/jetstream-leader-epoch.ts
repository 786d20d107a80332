/** Reads the epoch of the leader's record; the leader of the stream answers, never a follower. */
import type { Epoch } from '@llmos/base';
import { LEADER_STREAM, LEADER_SUBJECT, readLeaderRecord } from '@llmos/base';
import type { NatsConnection } from 'nats';
import { PROCESS_LIMITS } from '../../limits';
import { isNotFound, isStreamNotFound } from './store-error';

/** Undefined where there is no record, or none that a kernel can have written. */
export type ReadLeaderEpoch = () => Promise<Epoch | undefined>;

export async function createLeaderEpoch(connection: NatsConnection): Promise<ReadLeaderEpoch> {
  const options = { timeout: PROCESS_LIMITS.epochReadMs, checkAPI: false };
  const { streams } = await connection.jetstreamManager(options);
  return async () => {
    try {
      const stored = await streams.getMessage(LEADER_STREAM, { last_by_subj: LEADER_SUBJECT });
      return readLeaderRecord({ value: stored.data, revision: stored.seq })?.epoch;
    } catch (error) {
      if (isNotFound(error) || isStreamNotFound(error)) return undefined;
      throw error;
    }
  };
}

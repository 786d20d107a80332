/**
 * The leader's record in the bucket `llmos_leader`, as kernels, node agents and processes judge it.
 *
 * An epoch is the revision of the write that granted the lease. That write does not know its own
 * revision yet and says 0; every renewal repeats the epoch, at a higher revision. So
 * - R1: no epoch is above the revision of the record that names it: else no kernel wrote it;
 * - R2: the record that the leader of the stream answers with names the only epoch that holds now,
 *   also where the bucket was begun anew and its revisions with it.
 * Whoever is told another epoch than the one it knows reads the record before it believes a word.
 */
import type { Epoch } from './ids';
import { BUCKETS } from './model-package';
import { decodeJson, isRecord } from './result';

export const LEADER_KEY = 'leader';
export const LEADER_STREAM = `KV_${BUCKETS.leader}`;
export const LEADER_SUBJECT = `$KV.${BUCKETS.leader}.${LEADER_KEY}`;

/** Undefined where the record can't be of a kernel (R1). */
export function grantedEpoch(epoch: unknown, revision: number): Epoch | undefined {
  if (typeof epoch !== 'number' || !Number.isSafeInteger(epoch)) return undefined;
  if (epoch < 0 || epoch > revision) return undefined;
  return (epoch === 0 ? revision : epoch) as Epoch;
}

/** Of the record as it is stored. */
export function epochOfRecord(stored: {
  readonly value: Uint8Array;
  readonly revision: number;
}): Epoch | undefined {
  try {
    const record: unknown = decodeJson(stored.value);
    return isRecord(record) ? grantedEpoch(record['epoch'], stored.revision) : undefined;
  } catch {
    return undefined;
  }
}

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
import type { Epoch, KernelId } from './ids';
import { tryToken } from './ids';
import { BUCKETS } from './model-package';
import { decodeJson, isRecord } from './result';

export const LEADER_KEY = 'leader';
export const LEADER_STREAM = `KV_${BUCKETS.leader}`;
export const LEADER_SUBJECT = `$KV.${BUCKETS.leader}.${LEADER_KEY}`;

/** Undefined where the record can't be of a kernel (R1). */
function grantedEpoch(epoch: unknown, revision: number): Epoch | undefined {
  if (typeof epoch !== 'number' || !Number.isSafeInteger(epoch)) return undefined;
  if (epoch < 0 || epoch > revision) return undefined;
  return (epoch === 0 ? revision : epoch) as Epoch;
}

/** As every kernel, node agent and process reads it. */
export interface LeaderRecord {
  readonly kernelId: KernelId;
  /** Written as 0 in the granting write itself, and read as the revision of that write. */
  readonly epoch: number;
  readonly httpUrl: string;
  readonly grpcUrl: string;
  /** True once the leader gave the lease up; anyone may take it at once. */
  readonly isReleased: boolean;
}

/** Undefined where no kernel can have written it. */
export function readLeaderRecord(stored: {
  readonly value: Uint8Array;
  readonly revision: number;
}): (LeaderRecord & { readonly epoch: Epoch }) | undefined {
  let fields: unknown;
  try {
    fields = decodeJson(stored.value);
  } catch {
    return undefined;
  }
  if (!isRecord(fields)) return undefined;
  const kernelId = tryToken<KernelId>(fields['kernelId']);
  const epoch = grantedEpoch(fields['epoch'], stored.revision);
  if (kernelId === undefined || epoch === undefined) return undefined;
  const { httpUrl, grpcUrl, isReleased } = fields;
  return {
    kernelId,
    epoch,
    httpUrl: typeof httpUrl === 'string' ? httpUrl : '',
    grpcUrl: typeof grpcUrl === 'string' ? grpcUrl : '',
    isReleased: isReleased === true,
  };
}

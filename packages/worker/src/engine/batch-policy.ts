/**
 * Who runs in the next batch. Pure.
 *
 * The most urgent request leads; mates are of the same function and of similar length, because
 * padding to the longest wastes what is shorter. A full batch runs at once, another one when its
 * leader has waited long enough for mates.
 */
import type { TaskClass } from '@llmos/base';
import { BATCH_LIMITS } from '../limits';

export interface WaitingRequest {
  readonly class: TaskClass;
  readonly function: string;
  /** Of the body: stands for its tokens, which only the thread can count. */
  readonly bytes: number;
  readonly arrivedAtMs: number;
}

export interface BatchBounds {
  readonly maxRequests: number;
  readonly maxBytes: number;
}

export type BatchPlan<Request> =
  | { readonly kind: 'idle' }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'run'; readonly requests: readonly Request[] };

/** @param waiting most urgent first; this order decides among equals. */
export function planBatch<Request extends WaitingRequest>(
  waiting: readonly Request[],
  bounds: BatchBounds,
  nowMs: number,
): BatchPlan<Request> {
  const [leader] = waiting;
  if (leader === undefined) return { kind: 'idle' };
  const requests: Request[] = [];
  let bytes = 0;
  let isFull = false;
  for (const request of waiting) {
    if (request.function !== leader.function || !isSimilar(request, leader)) continue;
    const fits = requests.length < bounds.maxRequests && bytes + request.bytes <= bounds.maxBytes;
    if (!fits && requests.length > 0) {
      isFull = true;
      break;
    }
    requests.push(request);
    bytes += request.bytes;
  }
  isFull ||= requests.length >= bounds.maxRequests || bytes >= bounds.maxBytes;
  const untilMs = leader.arrivedAtMs + BATCH_LIMITS.waitMs[leader.class];
  if (!isFull && nowMs < untilMs) return { kind: 'wait', untilMs };
  return { kind: 'run', requests };
}

function isSimilar(a: WaitingRequest, b: WaitingRequest): boolean {
  const { lengthFloorBytes, lengthRatio } = BATCH_LIMITS;
  const [short, long] = a.bytes < b.bytes ? [a.bytes, b.bytes] : [b.bytes, a.bytes];
  return long <= Math.max(short, lengthFloorBytes) * lengthRatio;
}

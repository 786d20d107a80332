/**
 * What of that which waits runs together in the next batch. Pure. Who goes first is not decided
 * here: requests come in the mailbox's order.
 *
 * The first request leads; mates are of the same function and of similar length, because
 * padding to the longest wastes what is shorter: of those as urgent as the leader, the nearest in
 * length go first. Idle threads share what waits. A full batch runs at once, another one when its
 * leader has waited long enough for mates.
 */
import type { TaskClass } from '@llmos/base';
import { builtInTraits } from '@llmos/base';
import { BATCH_LIMITS } from '../limits';

export interface WaitingRequest {
  readonly class: TaskClass;
  readonly priority: number;
  readonly function: string;
  /** Of the body: stands for its tokens, which only the thread can count. */
  readonly bytes: number;
  readonly waitsSinceMs: number;
}

export interface BatchBounds {
  readonly maxRequests: number;
  readonly maxBytes: number;
}

export type BatchPlan<Request> =
  | { readonly kind: 'idle' }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'run'; readonly requests: readonly Request[] };

export interface BatchMoment {
  readonly bounds: BatchBounds;
  readonly nowMs: number;
  /** Threads that could run a batch now, at least 1. */
  readonly idleThreads: number;
}

/** Whether a request of this function is one model run, however long: nothing can come in between. */
export function isOneRun(functionName: string): boolean {
  return !builtInTraits(functionName).batches;
}

/** Over so soon that it need not wait for what takes long: a thread is kept for such requests. */
export function isQuick(request: Pick<WaitingRequest, 'class' | 'bytes'>): boolean {
  return request.class !== 'batch' && request.bytes <= BATCH_LIMITS.quickBytes;
}

/** @param waiting the next one first; this order decides among equals. */
export function planBatch<Request extends WaitingRequest>(
  waiting: readonly Request[],
  moment: BatchMoment,
): BatchPlan<Request> {
  const [leader] = waiting;
  if (leader === undefined) return { kind: 'idle' };
  const { bounds, nowMs, idleThreads } = moment;
  const mates = matesOf(leader, waiting);
  const most = Math.min(bounds.maxRequests, Math.ceil(mates.length / idleThreads));
  const requests: Request[] = [];
  let bytes = 0;
  for (const request of mates) {
    const fits = requests.length < most && bytes + request.bytes <= bounds.maxBytes;
    if (!fits && requests.length > 0) break;
    requests.push(request);
    bytes += request.bytes;
  }
  const total = mates.reduce((sum, request) => sum + request.bytes, 0);
  const isFull = mates.length >= bounds.maxRequests || total >= bounds.maxBytes;
  const untilMs = leader.waitsSinceMs + BATCH_LIMITS.waitMs[leader.class];
  if (!isFull && nowMs < untilMs) return { kind: 'wait', untilMs };
  return { kind: 'run', requests };
}

/** The leader first, then those as urgent by their distance in length, then the others. */
function matesOf<Request extends WaitingRequest>(
  leader: Request,
  waiting: readonly Request[],
): Request[] {
  const similar = waiting.filter(
    (request) => request.function === leader.function && isSimilar(request, leader),
  );
  const distance = (request: Request): number =>
    request.class === leader.class && request.priority === leader.priority
      ? Math.abs(request.bytes - leader.bytes)
      : Infinity;
  const nearer = (a: Request, b: Request): number => {
    const [first, second] = [distance(a), distance(b)];
    return first === second ? 0 : first - second;
  };
  return [leader, ...similar.filter((request) => request !== leader).toSorted(nearer)];
}

function isSimilar(a: WaitingRequest, b: WaitingRequest): boolean {
  const { lengthFloorBytes, lengthRatio } = BATCH_LIMITS;
  const [short, long] = a.bytes < b.bytes ? [a.bytes, b.bytes] : [b.bytes, a.bytes];
  return long <= Math.max(short, lengthFloorBytes) * lengthRatio;
}

/**
 * Notices a leader that has work and hands for it, and does nothing. Pure.
 *
 * Only queued work while nothing runs counts: a long generation is no standstill, and neither is a
 * model that fails wherever it is loaded: another leader would meet the same machines. Every time
 * the bound is used it doubles, so that a cause that no leader can mend makes no leaders flap.
 */
import type { CoreCounts } from '../core';

export interface ProgressView {
  readonly progress: number;
  readonly sinceMs: number;
}

export function isStandingStill(counts: CoreCounts): boolean {
  const queued = counts.queued.interactive + counts.queued.standard + counts.queued.batch;
  return (
    queued > counts.blocked && counts.running === 0 && counts.nodes > 0 && !counts.isRecovering
  );
}

/** @param previous undefined at the start of a leadership. */
export function applyCounts(
  previous: ProgressView | undefined,
  counts: CoreCounts,
  nowMs: number,
): ProgressView {
  const isMoving = previous?.progress !== counts.progress || !isStandingStill(counts);
  if (previous === undefined || isMoving) return { progress: counts.progress, sinceMs: nowMs };
  return previous;
}

export function isStuck(view: ProgressView, boundMs: number, nowMs: number): boolean {
  return nowMs - view.sinceMs >= boundMs;
}

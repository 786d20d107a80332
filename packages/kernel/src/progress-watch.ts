/**
 * Notices a leader that has work and hands for it, and does nothing. Pure.
 *
 * Only queued work while nothing runs counts: a long generation is no standstill. Every time the
 * bound is used it doubles, so that a cause that no leader can mend does not make leaders flap.
 */
import type { CoreCounts } from './kernel-core';

export interface ProgressView {
  readonly progress: number;
  readonly sinceMs: number;
}

export function isStandingStill(counts: CoreCounts): boolean {
  const queued = counts.queued.interactive + counts.queued.standard + counts.queued.batch;
  return queued > 0 && counts.running === 0 && counts.nodes > 0 && !counts.isRecovering;
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

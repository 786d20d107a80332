import type { CoreCounts } from '../core';
import { applyCounts, isStuck } from './progress-watch';

function counts(more: Partial<CoreCounts>): CoreCounts {
  return {
    queued: { interactive: 0, standard: 1, batch: 0 },
    blocked: 0,
    running: 0,
    tasks: 1,
    processes: 1,
    nodes: 1,
    progress: 5,
    isRecovering: false,
    callers: 0,
    callerGone: 0,
    costs: new Map(),
    reconciled: { resent: 0, refused: 0 },
    foreignMessages: 0,
    heldBytes: 0,
    ...more,
  };
}

function stuckAfter(seen: CoreCounts): boolean {
  const first = applyCounts(undefined, counts({}), 0);
  return isStuck(applyCounts(first, seen, 1_000), 1_000, 1_000);
}

it('is stuck when work waits and nothing moves for the bound', () => {
  expect(stuckAfter(counts({}))).toBe(true);
});

it.each([
  ['something moved', counts({ progress: 6 })],
  ['something runs, however long', counts({ running: 1 })],
  ['there is no node to run it', counts({ nodes: 0 })],
  ['nothing waits', counts({ queued: { interactive: 0, standard: 0, batch: 0 } })],
  ['all that waits is for a model that fails everywhere', counts({ blocked: 1 })],
  ['it still recovers', counts({ isRecovering: true })],
])('is not stuck when %s', (_name, seen) => {
  expect(stuckAfter(seen)).toBe(false);
});

import type { TaskClass } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { LineReading } from './missing-tasks';
import { MissingTasks, reachOf } from './missing-tasks';

const { skippedLookMs, strayLookMs } = EDGE_LIMITS;
const nothingHeld = (): boolean => false;

function line(of: Partial<LineReading> = {}): LineReading {
  return { class: 'batch', unacknowledged: 0, waiting: 0, deliveredSequence: 0, ...of };
}

function reach(messages: number, lines: readonly LineReading[] = [line()]) {
  const reading = { messages, firstSequence: 1, lastSequence: 10 };
  return reachOf({ before: reading, lines, after: reading });
}

/** One walk over these messages; answers how long until the next look. */
function walk(
  missing: MissingTasks,
  of: { readonly messages: number; readonly seen: readonly (TaskClass | 'stray')[] },
): number {
  const now = reach(of.messages);
  expect(missing.judge(now, 0)).toBe('walk');
  of.seen.forEach((each, index) => {
    const taskClass = each === 'stray' ? undefined : each;
    const seen = { sequence: index + 1, class: taskClass, leaves: each === 'stray' };
    missing.see(seen, now, nothingHeld);
  });
  missing.endWalk(now);
  return missing.pauseMs('walk');
}

it('counts as missing what is stored and neither delivered nor in line', () => {
  const lines = [line({ unacknowledged: 3, waiting: 2, deliveredSequence: 4 })];
  expect(reach(6, lines)).toMatchObject({ missing: 1, isLineEmpty: false, lastSequence: 4 });
  expect(reach(6, lines).passed.get('batch')).toBe(4);
  expect(reach(3, [line({ unacknowledged: 3 })])).toMatchObject({ missing: 0, lastSequence: 10 });
});

it('never counts what is stored between the readings', () => {
  const before = { messages: 0, firstSequence: 1, lastSequence: 10 };
  const after = { messages: 5, firstSequence: 1, lastSequence: 15 };
  expect(reachOf({ before, lines: [line()], after }).missing).toBe(0);
});

it('suspects what its consumer has passed, and has it no more once it is settled', () => {
  const missing = new MissingTasks();
  walk(missing, { messages: 2, seen: ['batch', 'interactive'] });
  expect([...missing.suspects]).toEqual([[1, 'batch']]);
  missing.settle(1, 'taken-in');
  expect([missing.suspects.size, missing.hasTakenIn(1)]).toEqual([0, true]);
  expect(missing.judge(reach(2), 0)).toBe('quiet');
  missing.noteGone(1);
  expect(missing.hasTakenIn(1)).toBe(false);
});

it('walks no more because of what somebody is about to end', () => {
  const missing = new MissingTasks();
  walk(missing, { messages: 2, seen: ['stray', 'stray'] });
  expect(missing.judge(reach(2), 2)).toBe('quiet');
  expect(missing.judge(reach(2), 1)).toBe('walk');
});

it('walks ever more rarely where strays are met again and none leaves, and soon again once one did', () => {
  const missing = new MissingTasks();
  const seen = ['stray', 'stray'] as const;
  const pauses = Array.from({ length: 8 }, () => walk(missing, { messages: 2, seen }));
  expect(pauses.slice(0, 3)).toEqual([skippedLookMs, skippedLookMs, 2 * skippedLookMs]);
  expect(pauses.at(-1)).toBe(strayLookMs);
  expect(walk(missing, { messages: 1, seen: ['stray'] })).toBe(skippedLookMs);
});

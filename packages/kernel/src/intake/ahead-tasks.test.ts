import type { TaskClass } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import { AheadTasks } from './ahead-tasks';

const { aheadDeliveryMs, aheadForgetMs, maxAheadTasks, maxAheadDeletions } = EDGE_LIMITS;
const LAST = 100;

function setUp() {
  let nowMs = 0;
  const deletions: { readonly sequence: number; done: () => void; fail: () => void }[] = [];
  const ahead = new AheadTasks({
    lastSequence: LAST,
    nowMs: () => nowMs,
    deleteMessage: (sequence) =>
      new Promise((resolve, reject) => {
        deletions.push({ sequence, done: resolve, fail: () => reject(new Error('away')) });
      }),
  });
  const advance = (ms: number): void => {
    nowMs += ms;
    ahead.look();
  };
  return { ahead, deletions, advance };
}

const of = (sequence: number, taskClass: TaskClass = 'standard') => ({
  class: taskClass,
  sequence,
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('takes nothing in that another leader may have seen (A1)', () => {
  const { ahead } = setUp();
  expect(ahead.mayTakeIn(of(LAST))).toBe(false);
  expect(ahead.mayTakeIn(of(LAST + 1))).toBe(true);
});

it('takes nothing in that was delivered already, in its own class (A2)', () => {
  const { ahead } = setUp();
  ahead.noteDelivered(of(LAST + 5));
  expect(ahead.mayTakeIn(of(LAST + 5))).toBe(false);
  expect(ahead.mayTakeIn(of(LAST + 4))).toBe(false);
  expect(ahead.mayTakeIn(of(LAST + 4, 'batch'))).toBe(true);
});

it('knows what is delivered again, also what came ahead at first', () => {
  const { ahead } = setUp();
  expect(ahead.noteDelivered(of(LAST + 2))).toBe('first');
  expect(ahead.noteDelivered(of(LAST + 1))).toBe('again');
  expect(ahead.noteDelivered(of(LAST + 2))).toBe('again');
});

it('knows the delivery of one that has ended', () => {
  const { ahead, deletions, advance } = setUp();
  ahead.noteEnded(LAST + 1);
  expect(ahead.noteDelivered(of(LAST + 1))).toBe('ended');
  advance(aheadDeliveryMs);
  expect(deletions).toEqual([]);
});

it('deletes one that has ended where its delivery does not come (A4)', async () => {
  const { ahead, deletions, advance } = setUp();
  ahead.noteEnded(LAST + 1);
  advance(aheadDeliveryMs - 1);
  expect(deletions).toEqual([]);
  advance(1);
  expect(deletions.map(({ sequence }) => sequence)).toEqual([LAST + 1]);
  deletions[0]?.done();
  await turn();
  // It was on its way meanwhile.
  expect(ahead.noteDelivered(of(LAST + 1))).toBe('ended');
  advance(aheadForgetMs);
  expect(ahead.noteDelivered(of(LAST + 1))).toBe('again');
});

it('deletes it again where that failed, and no more at once than may be', async () => {
  const { ahead, deletions, advance } = setUp();
  for (let n = 1; n <= 2 * maxAheadDeletions; n += 1) ahead.noteEnded(LAST + n);
  advance(aheadDeliveryMs);
  expect(deletions).toHaveLength(maxAheadDeletions);
  deletions[0]?.fail();
  deletions[1]?.done();
  await turn();
  expect(deletions).toHaveLength(maxAheadDeletions + 2);
  for (const { done } of deletions) done();
  await turn();
  advance(aheadDeliveryMs - 1);
  expect(deletions).toHaveLength(2 * maxAheadDeletions);
  advance(1);
  const first = deletions.filter(({ sequence }) => sequence === LAST + 1);
  expect(first).toHaveLength(2);
});

it('deletes the oldest at once where many have ended undelivered', () => {
  const { ahead, deletions, advance } = setUp();
  for (let n = 1; n <= maxAheadTasks / 2 + 2; n += 1) ahead.noteEnded(LAST + n);
  advance(0);
  expect(deletions.map(({ sequence }) => sequence)).toEqual([LAST + 1, LAST + 2]);
});

it('takes no more in ahead while so many have ended undelivered', () => {
  const { ahead } = setUp();
  for (let n = 1; n <= maxAheadTasks; n += 1) ahead.noteEnded(LAST + n);
  expect(ahead.mayTakeIn(of(LAST + maxAheadTasks + 1))).toBe(false);
});

it('counts those that are deleted as well, until their delivery can’t come', async () => {
  let nowMs = 0;
  const deleteMessage = (): Promise<void> => Promise.resolve();
  const ahead = new AheadTasks({ lastSequence: LAST, nowMs: () => nowMs, deleteMessage });
  for (let n = 1; n <= maxAheadTasks; n += 1) ahead.noteEnded(LAST + n);
  nowMs += aheadDeliveryMs;
  ahead.look();
  await turn();
  expect(ahead.mayTakeIn(of(LAST + maxAheadTasks + 1))).toBe(false);
  nowMs += aheadForgetMs;
  ahead.look();
  expect(ahead.mayTakeIn(of(LAST + maxAheadTasks + 1))).toBe(true);
});

import type { TaskId, TenantId, TenantTask } from '@llmos/base';
import { WIRE_LIMITS } from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import { StoredIds } from './stored-ids';

function task(id: string, tenant = 'acme'): TenantTask {
  return { tenant: tenant as TenantId, task: id as TaskId };
}

function setUp(maxIds = 10) {
  const clock = manualClock();
  const ids = new StoredIds({ maxIds, nowMs: () => clock.nowMs() });
  const identity = { function: 'echo', digest: 'AAAAAAAAAAA' };
  const isRepeated = (of: TenantTask, sequence: number, keepMs?: number) =>
    ids.note(of, { sequence, identity, keepMs }).isRepeated;
  return { clock, isRepeated, ids, identity };
}

it('tells a repeat, by tenant and id', () => {
  const { isRepeated } = setUp();
  expect(isRepeated(task('a'), 1)).toBe(false);
  expect(isRepeated(task('a'), 2)).toBe(true);
  expect(isRepeated(task('a'), 3)).toBe(true);
  expect(isRepeated(task('b'), 4)).toBe(false);
  expect(isRepeated(task('a', 'other'), 5)).toBe(false);
});

it('holds what was stored first for the first, in whatever order it hears', () => {
  const { isRepeated } = setUp();
  expect(isRepeated(task('a'), 8)).toBe(false);
  expect(isRepeated(task('a'), 7)).toBe(false);
  expect(isRepeated(task('a'), 8)).toBe(true);
});

it('forgets after its time, counted from the first', () => {
  const { clock, isRepeated, ids, identity } = setUp();
  isRepeated(task('a'), 1);
  isRepeated(task('short'), 2, WIRE_LIMITS.answerKeepMs);
  clock.advance(WIRE_LIMITS.answerKeepMs - 1);
  expect(ids.identityOf(task('short'))).toEqual(identity);
  clock.advance(1);
  expect(ids.identityOf(task('short'))).toBeUndefined();
  clock.advance(WIRE_LIMITS.maxTimeoutMs - WIRE_LIMITS.answerKeepMs - 1);
  expect(isRepeated(task('a'), 3)).toBe(true);
  clock.advance(1);
  expect(isRepeated(task('a'), 4)).toBe(false);
});

it('forgets the oldest where there are too many', () => {
  const { isRepeated } = setUp(2);
  for (const [n, id] of ['a', 'b', 'c'].entries()) isRepeated(task(id), n);
  expect(isRepeated(task('b'), 3)).toBe(true);
  expect(isRepeated(task('a'), 4)).toBe(false);
});

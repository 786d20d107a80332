import type { TaskId, TenantId, TenantTask } from '@llmos/base';
import { STREAMS } from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import { EDGE_LIMITS } from '../edge-limits';
import type { ResultNotice, StoredResult } from '../ports/result-store';
import type { WaitOutcome } from './result-waiters';
import { ResultWaiters } from './result-waiters';

const of: TenantTask = { tenant: 'acme' as TenantId, task: 's1' as TaskId };
const result: StoredResult = { body: new Uint8Array([1]), format: 'json' };
const noticeOf = (body?: Uint8Array): ResultNotice => ({
  format: 'json',
  place: { stream: STREAMS.results, sequence: 7 },
  bodyBytes: body?.length ?? 1,
  ...(body === undefined ? {} : { body }),
});
const notice = noticeOf(result.body);

function setUp(stored: StoredResult | undefined = undefined, maxWaitersPerTenant = 2) {
  const clock = manualClock();
  const lookedUp: TenantTask[] = [];
  const taken: number[] = [];
  /** Reads of what notices tell of, until they are answered. */
  const reads: ((read: StoredResult | Error | undefined) => void)[] = [];
  const failures: unknown[] = [];
  const waiters = new ResultWaiters({
    clock,
    maxWaiters: 2,
    maxWaitersPerTenant,
    lookUp: (task) => {
      lookedUp.push(task);
      return Promise.resolve(stored);
    },
    readNoticed: () =>
      new Promise((resolve, reject) => {
        reads.push((read) => (read instanceof Error ? reject(read) : resolve(read)));
      }),
    onTaken: ({ bodyBytes }) => void taken.push(bodyBytes),
    onLookUpFailed: (error) => void failures.push(error),
  });
  const outcomes: string[] = [];
  const settle = (outcome: WaitOutcome): void => void outcomes.push(outcome.kind);
  const wait = (untilMs = 60_000) => waiters.add({ of, untilMs, settle });
  const read = async (found: StoredResult | Error | undefined): Promise<void> => {
    reads.shift()?.(found);
    await new Promise(setImmediate);
  };
  return { clock, waiters, wait, outcomes, lookedUp, taken, reads, read, failures };
}

it('answers everyone who waits for the same task, once', () => {
  const { waiters, wait, outcomes } = setUp();
  wait();
  wait();
  expect(waiters.isFull(of.tenant)).toBe(true);
  waiters.onResult(of, result);
  waiters.onResult(of, result);
  expect(outcomes).toEqual(['result', 'result']);
  expect(waiters.count).toBe(0);
});

it('is full for one tenant and has room for others', () => {
  const { waiters, wait } = setUp(undefined, 1);
  const other = 'other' as TenantId;
  const goAway = wait();
  expect([waiters.isFull(of.tenant), waiters.isFull(other)]).toEqual([true, false]);
  goAway();
  expect(waiters.isFull(of.tenant)).toBe(false);
});

it('keeps a result that comes before its waiter is known by name', () => {
  const { waiters, wait, outcomes } = setUp();
  waiters.onCommitted(of, notice);
  const goAway = wait();
  expect(outcomes).toEqual([]);
  goAway();
  waiters.expectUnnamed();
  waiters.onCommitted(of, notice);
  wait();
  expect(outcomes).toEqual(['result']);
  waiters.endUnnamed();
  wait();
  expect(outcomes).toHaveLength(1);
});

it('answers who waits when it stops, and at once who comes after that', () => {
  const { waiters, wait, outcomes } = setUp();
  wait();
  waiters.stop();
  expect(outcomes).toEqual(['stopping']);
  wait();
  expect([outcomes, waiters.count]).toEqual([['stopping', 'stopping'], 0]);
});

it('looks everyone up in turn, however many wait', () => {
  const { clock, waiters, lookedUp, outcomes } = setUp();
  const count = 3 * EDGE_LIMITS.maxLookUpsPerSweep;
  const settle = (outcome: WaitOutcome): void => void outcomes.push(outcome.kind);
  for (let n = 0; n < count; n += 1) {
    waiters.add({ of: { ...of, task: `s${n}` as TaskId }, untilMs: Infinity, settle });
  }
  for (let sweep = 0; sweep < 3; sweep += 1) {
    clock.advance(EDGE_LIMITS.waiterLookUpMs);
    waiters.sweep();
  }
  expect(new Set(lookedUp.map(({ task }) => task)).size).toBe(count);
});

it('bounds the results it keeps, and never grows while publishes go on', () => {
  const { waiters, outcomes } = setUp();
  waiters.expectUnnamed();
  const ids = Array.from({ length: EDGE_LIMITS.maxEarlyResults + 1 }, (_, n) => `s${n}` as TaskId);
  for (const task of ids) waiters.onCommitted({ ...of, task }, notice);
  const settle = (outcome: WaitOutcome): void => void outcomes.push(outcome.kind);
  waiters.add({ of: { ...of, task: ids[0] as TaskId }, untilMs: 1, settle });
  expect(outcomes).toEqual([]);
  waiters.add({ of: { ...of, task: ids.at(-1) as TaskId }, untilMs: 1, settle });
  expect(outcomes).toEqual(['result']);
});

it('looks up what may have been missed', async () => {
  const { clock, waiters, wait, outcomes, lookedUp } = setUp(result);
  wait();
  waiters.sweep();
  expect(lookedUp).toEqual([]);
  clock.advance(EDGE_LIMITS.waiterLookUpMs);
  waiters.sweep();
  await Promise.resolve();
  expect([lookedUp.length, outcomes]).toEqual([1, ['result']]);
});

it('times out who waited too long, and forgets who went away', () => {
  const { clock, waiters, wait, outcomes } = setUp();
  wait(1_000);
  const goAway = wait(1_000);
  goAway();
  clock.advance(1_000);
  waiters.sweep();
  expect([outcomes, waiters.count]).toEqual([['timed-out'], 0]);
});

it('keeps a copy of a result that came early: what is read is a part of far more', () => {
  const { waiters } = setUp();
  waiters.expectUnnamed();
  const body = new Uint8Array(64 * 1024).subarray(0, 3);
  waiters.onCommitted(of, noticeOf(body));
  let kept: WaitOutcome | undefined;
  waiters.add({ of, untilMs: 1, settle: (outcome) => (kept = outcome) });
  const own = kept?.kind === 'result' ? kept.result.body : undefined;
  expect([...(own ?? [])]).toEqual([0, 0, 0]);
  expect(own?.buffer).not.toBe(body.buffer);
});

it('counts what it keeps of one task once, however often its result comes', () => {
  const { waiters, outcomes } = setUp();
  waiters.expectUnnamed();
  const body = new Uint8Array(EDGE_LIMITS.maxEarlyBytes / 2);
  for (let n = 0; n < 5; n += 1) waiters.onCommitted(of, noticeOf(body));
  waiters.add({ of, untilMs: 1, settle: (outcome) => void outcomes.push(outcome.kind) });
  expect(outcomes).toEqual(['result']);
});

it('reads what came without its body once somebody waits for it, and never for nobody', async () => {
  const { waiters, wait, outcomes, reads, read, taken } = setUp();
  waiters.onCommitted(of, noticeOf());
  expect([reads.length, taken]).toEqual([0, []]);
  wait();
  waiters.onCommitted(of, noticeOf());
  expect([outcomes, reads.length, taken]).toEqual([[], 1, [1]]);
  await read(result);
  expect([outcomes, waiters.count]).toEqual([['result'], 0]);
});

it('reads what came early and without its body when its waiter is known', async () => {
  const { waiters, wait, outcomes, reads, read } = setUp();
  waiters.expectUnnamed();
  waiters.onCommitted(of, noticeOf());
  expect(reads).toHaveLength(0);
  wait();
  expect(reads).toHaveLength(1);
  await read(result);
  expect(outcomes).toEqual(['result']);
});

it('reads again at the next sweep what could not be read, before anything is looked up', async () => {
  const { clock, waiters, wait, outcomes, lookedUp, reads, read, failures } = setUp();
  wait();
  waiters.onCommitted(of, noticeOf());
  await read(new Error('timeout'));
  expect(failures).toHaveLength(1);
  clock.advance(EDGE_LIMITS.waiterSweepMs);
  waiters.sweep();
  expect([reads.length, lookedUp.length]).toEqual([1, 0]);
  await read(undefined);
  waiters.sweep();
  await read(result);
  expect(outcomes).toEqual(['result']);
  waiters.sweep();
  expect(reads).toHaveLength(0);
});

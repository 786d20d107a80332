import { systemTimers } from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import { ControlLoop } from './control-loop';
import { EDGE_LIMITS } from './edge-limits';
import type { KernelCore } from './core';
import type { KernelDecision } from './kernel-decision';
import type { KernelEvent } from './kernel-event';
import { silentCounters } from './ports/kernel-counters';

const first: KernelEvent = { kind: 'time-passed' };
const decision = { kind: 'acknowledge', sequence: 1 } as KernelDecision;

function loopOf(core: Partial<KernelCore>, more: { isLeading?: () => boolean } = {}) {
  const applied: string[] = [];
  const carried: KernelDecision[] = [];
  const failures: unknown[] = [];
  let ticks = 0;
  const clock = manualClock();
  const loop = new ControlLoop({
    clock,
    timers: systemTimers,
    counters: silentCounters,
    core: {
      apply: (event: KernelEvent) => void applied.push(event.kind),
      plan: () => [],
      nextWakeMs: () => undefined,
      ...core,
    } as KernelCore,
    carryOut: (wanted) => void carried.push(wanted),
    afterTick: () => (ticks += 1),
    isLeading: more.isLeading ?? (() => true),
    onFailure: (error) => void failures.push(error),
  });
  return { loop, clock, applied, carried, failures, ticks: () => ticks };
}

afterEach(() => void jest.useRealTimers());

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('holds events until it starts, and applies the first event before them', async () => {
  const { loop, applied } = loopOf({});
  loop.deliver({ kind: 'models-changed', models: [] });
  await turn();
  expect(applied).toEqual([]);
  loop.start({ kind: 'functions-changed', functions: [] });
  await turn();
  expect(applied).toEqual(['functions-changed', 'models-changed']);
});

it('takes events that arrive together in one tick, and carries decisions out in order', async () => {
  const { loop, applied, carried, ticks } = loopOf({ plan: () => [decision, decision] });
  loop.start(first);
  loop.deliver(first);
  loop.deliver(first);
  await turn();
  expect([applied.length, ticks(), carried.length]).toEqual([3, 1, 2]);
});

it('bounds the work of one tick and goes on with the rest', async () => {
  const { loop, applied, ticks } = loopOf({});
  for (let n = 0; n <= EDGE_LIMITS.maxEventsPerTick * 2; n += 1) loop.deliver(first);
  loop.start(first);
  await Promise.resolve();
  expect(ticks()).toBe(1);
  while (ticks() < 3) await turn();
  expect(applied.length).toBe(EDGE_LIMITS.maxEventsPerTick * 2 + 2);
});

it('applies what came from the stream behind everything else, a share of each tick', async () => {
  const seen: string[] = [];
  const { loop, clock, ticks } = loopOf({
    apply: (event) => {
      seen.push(event.kind);
      clock.advance(0.1);
    },
  });
  const task = { kind: 'task-stored' } as KernelEvent;
  for (let n = 0; n < 100; n += 1) loop.deliverIntake(task);
  loop.start(first);
  await Promise.resolve();
  const applied = seen.length;
  // The clock is looked at after each 32 of them.
  expect(applied).toBe(1 + 32);
  loop.deliver({ kind: 'kill-requested' } as KernelEvent);
  while (ticks() < 2) await turn();
  expect(seen[applied]).toBe('kill-requested');
  while (ticks() < 4) await turn();
  expect(seen.filter((kind) => kind === 'task-stored')).toHaveLength(100);
});

it('lets the network be served after some milliseconds, however many events wait', async () => {
  let count = 0;
  const { loop, clock, ticks } = loopOf({
    apply: () => {
      count += 1;
      clock.advance(1);
    },
  });
  const many = 10 * EDGE_LIMITS.applyMs;
  for (let n = 0; n < many; n += 1) loop.deliver(first);
  loop.start(first);
  await Promise.resolve();
  // It looks at the clock every few events.
  expect([ticks(), count < many / 2]).toEqual([1, true]);
  while (count <= many) await turn();
  expect(ticks()).toBeGreaterThan(2);
});

it('lets timers and messages go first after a turn that was long, and after no other', async () => {
  let costMs = 0;
  const { loop, clock, applied } = loopOf({
    plan: () => {
      clock.advance(costMs);
      return [];
    },
  });
  const deliver = async (): Promise<number> => {
    loop.deliver(first);
    await Promise.resolve();
    await Promise.resolve();
    return applied.length;
  };
  loop.start(first);
  await turn();
  expect(await deliver()).toBe(2);
  costMs = EDGE_LIMITS.longTurnMs + 1;
  expect(await deliver()).toBe(3);
  expect(await deliver()).toBe(3);
  await turn();
  expect(applied.length).toBe(4);
});

it('ends for good at the first exception of the core', async () => {
  const { loop, failures, applied } = loopOf({
    plan: () => {
      throw new Error('broken');
    },
  });
  loop.start(first);
  await turn();
  loop.deliver(first);
  await turn();
  expect(failures).toHaveLength(1);
  expect(applied).toHaveLength(1);
});

it('does nothing while the lease has lapsed, and applies all of it before the core judges', async () => {
  let isLeading = true;
  const planned: number[] = [];
  const { loop, applied, failures } = loopOf(
    {
      plan: () => {
        planned.push(applied.length);
        return [];
      },
    },
    { isLeading: () => isLeading },
  );
  loop.start(first);
  await turn();
  // The loop may notice before it is told.
  isLeading = false;
  loop.deliver(first);
  await turn();
  loop.suspend();
  const waiting = EDGE_LIMITS.maxEventsPerTick + 1;
  for (let n = 0; n < waiting; n += 1) loop.deliver(first);
  await turn();
  expect([applied.length, planned]).toEqual([1, [1]]);
  isLeading = true;
  loop.resume();
  while (planned.length < 2) await turn();
  expect(planned).toEqual([1, waiting + 2]);
  expect(failures).toEqual([]);
});

it('goes on with nothing once it has ended, whatever becomes of the lease', async () => {
  const { loop, applied } = loopOf({});
  loop.start(first);
  await turn();
  loop.suspend();
  loop.end();
  loop.resume();
  loop.deliver(first);
  await turn();
  expect(applied).toHaveLength(1);
});

it('hears what came while it was held up before the core judges by the time', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask', 'nextTick', 'performance'] });
  const heard: number[] = [];
  const { loop, clock, applied } = loopOf({
    plan: () => {
      heard.push(applied.length);
      return [];
    },
    nextWakeMs: () => clock.nowMs() + 1_000,
  });
  loop.start(first);
  await turn();
  expect(heard).toEqual([1]);
  // The first message after the pause is there at once, another one a moment later.
  clock.advance(1_000 + EDGE_LIMITS.heldUpMs + 1);
  loop.deliver(first);
  await turn();
  expect(heard).toEqual([1]);
  loop.deliver(first);
  jest.advanceTimersByTime(EDGE_LIMITS.catchUpMs);
  await turn();
  expect(heard).toEqual([1, 3]);
  // One that comes in time waits for nothing.
  clock.advance(1_000);
  loop.deliver(first);
  await turn();
  expect(heard).toEqual([1, 3, 4]);
  loop.end();
});

it('goes on after a lapse of the lease that came while it heard what it was held up from', async () => {
  const { loop, clock, applied } = loopOf({ nextWakeMs: () => clock.nowMs() + 1_000 });
  loop.start(first);
  await turn();
  clock.advance(1_000 + EDGE_LIMITS.heldUpMs + 1);
  loop.deliver(first);
  await turn();
  loop.suspend();
  loop.resume();
  loop.deliver(first);
  await turn();
  expect(applied).toHaveLength(3);
});

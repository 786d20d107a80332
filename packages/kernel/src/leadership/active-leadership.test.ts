import { errorBody, silentLogger, systemTimers } from '@llmos/base';
import type { Epoch, FunctionName, TaskId, TenantId } from '@llmos/base';
import { manualClock, termsOf } from '@llmos/base/testing';
import type { ActiveLeadershipParts } from './active-leadership';
import { ActiveLeadership } from './active-leadership';
import { PrometheusMetrics } from '../adapters/http/prometheus-metrics';
import { EDGE_LIMITS } from '../edge-limits';
import type { KernelCore } from '../core';
import type { IntakeEvent, KernelEvent } from '../kernel-event';
import { silentCounters } from '../ports/kernel-counters';
import type { IntakeOpening, PublishedTask } from '../ports/task-stream';
import type { TaskToStore } from '../services/ahead-publisher';
import type { TaskSpec } from '../tasks/task-spec';
import { Registry } from '../services/registry';

const nothing = (): void => undefined;

/** A leadership whose takeover of the intake lasts for ever, so that nothing is applied. */
function beginning(more: Partial<ActiveLeadershipParts>): ActiveLeadership {
  const parts = {
    counters: silentCounters,
    clock: manualClock(),
    timers: systemTimers,
    log: silentLogger,
    createCore: () => ({}),
    isLeading: () => true,
    onFailure: nothing,
    packageCollector: { begin: nothing, end: nothing },
    attachService: { detachAll: nothing },
    callerLink: { begin: nothing, ask: nothing, mark: nothing, end: nothing },
    registryStore: { readDesired: () => Promise.resolve([]) },
    registry: new Registry(silentLogger),
    nodeLink: { begin: nothing, end: nothing },
    processLink: { begin: nothing, end: nothing },
    taskStream: { begin: () => new Promise(nothing), end: () => Promise.resolve() },
    ...more,
  };
  const kernel = new ActiveLeadership(parts as unknown as ActiveLeadershipParts, 1 as Epoch);
  void kernel.begin();
  return kernel;
}

it('drops and counts reports while more events wait than it may hold', async () => {
  const counters = new PrometheusMetrics();
  let report: (event: KernelEvent) => void = nothing;
  const kernel = beginning({
    counters,
    processLink: {
      begin: (_epoch: Epoch, deliver: typeof report) => (report = deliver),
      end: nothing,
    } as unknown as ActiveLeadershipParts['processLink'],
  });
  await new Promise(setImmediate);
  const event: KernelEvent = { kind: 'time-passed' };
  for (let sent = 0; sent < EDGE_LIMITS.maxQueuedEvents + 2; sent += 1) report(event);
  // One place is taken by what the registry told.
  expect(await counters.text()).toMatch(/^llmos_kernel_reports_dropped_total 3$/m);
  await kernel.end();
});

it('takes less in where what is held weighs as much as it may', async () => {
  const openings: IntakeOpening[] = [];
  const begin = (): Promise<{ lastSequence: number }> => Promise.resolve({ lastSequence: 0 });
  const setIntakeOpen = (open: IntakeOpening): object => {
    openings.push(open);
    return { isHeldBack: false };
  };
  const core = { tasks: 1, heldBytes: 999 };
  const kernel = beginning({
    createCore: () => ({ counts: () => core }) as unknown as KernelCore,
    maxHeldTasks: 1_000,
    maxHeldBytes: 1_000,
    hasResultRoom: () => true,
    taskStream: {
      begin,
      setIntakeOpen,
      end: begin,
    } as unknown as ActiveLeadershipParts['taskStream'],
  });
  kernel.adjustIntake();
  core.heldBytes = 1_000;
  kernel.adjustIntake();
  expect(openings.map(({ batch }) => batch)).toEqual([true, false]);
  await kernel.end();
});

describe('a leadership that never begins', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('ends after a bound, so that another kernel may try', () => {
    const failures: unknown[] = [];
    beginning({ onFailure: (error) => void failures.push(error) });
    jest.advanceTimersByTime(EDGE_LIMITS.beginMs - 1);
    expect(failures).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(failures).toEqual([expect.objectContaining({ code: 'UNAVAILABLE' })]);
  });

  it('fails no more once it is over', async () => {
    const failures: unknown[] = [];
    await beginning({ onFailure: (error) => void failures.push(error) }).end();
    jest.advanceTimersByTime(EDGE_LIMITS.beginMs);
    expect(failures).toEqual([]);
  });
});

describe('a call whose task was stored', () => {
  const published = { sequence: 7 } as PublishedTask;
  const toStore = (id?: string): TaskToStore => ({
    subject: { class: 'batch', tenant: 'acme' as TenantId, function: 'echo' as FunctionName },
    terms: termsOf(id === undefined ? {} : { id: id as TaskId }),
    body: new Uint8Array(1),
  });

  /** A leadership that has begun, and whose core refuses whatever is new to it. */
  async function leading(options: { readonly hasBegun?: boolean } = {}) {
    const { hasBegun = true } = options;
    const taken: number[] = [];
    const world = { isLeading: true };
    const applied: KernelEvent[] = [];
    let takeIn: (event: IntakeEvent) => void = nothing;
    const core = {
      apply: (event: KernelEvent) => void applied.push(event),
      plan: () => [],
      nextWakeMs: nothing,
      counts: () => ({ tasks: 0, heldBytes: 0 }),
      refusalOf: () => errorBody('RESOURCE_EXHAUSTED', 'full'),
      statusOf: (_tenant: TenantId, id: string) => ({
        state: id === 'held' ? 'queued' : 'unknown',
      }),
    };
    const kernel = beginning({
      createCore: () => core as unknown as KernelCore,
      isLeading: () => world.isLeading,
      clock: { ...manualClock(), nowMs: () => 0 },
      requests: { serve: () => ({ stop: nothing }), heard: () => Promise.resolve() },
      hasResultRoom: () => true,
      refusalOf: nothing,
      taskStream: {
        begin: (_epoch: Epoch, deliver: typeof takeIn) => {
          takeIn = deliver;
          return hasBegun ? Promise.resolve({ lastSequence: 0 }) : new Promise(nothing);
        },
        setIntakeOpen: () => ({ isHeldBack: false }),
        takeInAhead: ({ sequence }: PublishedTask) => void taken.push(sequence),
        end: () => Promise.resolve(),
      },
    } as unknown as Partial<ActiveLeadershipParts>);
    await Promise.resolve().then(nothing).then(nothing).then(nothing);
    return { kernel, taken, world, applied, takeIn: (event: IntakeEvent) => takeIn(event) };
  }

  it('is taken in only while its leadership has begun, leads and has not ended', async () => {
    const early = await leading({ hasBegun: false });
    early.kernel.takeInAhead(published);
    expect(early.taken).toEqual([]);
    await early.kernel.end();

    const { kernel, taken, world } = await leading();
    kernel.takeInAhead(published);
    world.isLeading = false;
    kernel.takeInAhead(published);
    expect(taken).toEqual([7]);
    world.isLeading = true;
    await kernel.end();
    kernel.takeInAhead(published);
    expect(taken).toEqual([7]);
  });

  it('is applied before what the stream has delivered', async () => {
    const { kernel, applied, takeIn } = await leading();
    await new Promise(setImmediate);
    const stored = (sequence: number): IntakeEvent => ({
      kind: 'task-stored',
      spec: { sequence } as TaskSpec,
    });
    takeIn(stored(1));
    takeIn(stored(2));
    takeIn({ ...stored(3), arrival: 'ahead' });
    await new Promise(setImmediate);
    const order = applied.flatMap((event) => ('spec' in event ? [event.spec.sequence] : []));
    expect(order).toEqual([3, 1, 2]);
    await kernel.end();
  });

  it('is not refused where its id is held, for then it takes no more room', async () => {
    const { kernel } = await leading();
    expect(kernel.refusalOf(toStore())).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    expect(kernel.refusalOf(toStore('new'))).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    expect(kernel.refusalOf(toStore('held'))).toBeUndefined();
    await kernel.end();
    expect(kernel.refusalOf(toStore())).toBeUndefined();
  });
});

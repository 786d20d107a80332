import { silentLogger } from '@llmos/base';
import type { Epoch } from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import type { ActiveKernelParts } from './active-kernel';
import { ActiveKernel } from './active-kernel';
import { PrometheusMetrics } from './adapters/http/prometheus-metrics';
import { EDGE_LIMITS } from './edge-limits';
import type { KernelEvent } from './kernel-event';
import { silentCounters } from './ports/kernel-counters';

const nothing = (): void => undefined;

/** A leadership whose takeover of the intake lasts for ever, so that nothing is applied. */
function beginning(more: Partial<ActiveKernelParts>): ActiveKernel {
  const parts = {
    counters: silentCounters,
    clock: manualClock(),
    log: silentLogger,
    createCore: () => ({}),
    isLeading: () => true,
    onFailure: nothing,
    packageCollector: { begin: nothing, end: nothing },
    attachService: { detachAll: nothing },
    callerLink: { begin: nothing, ask: nothing, mark: nothing, end: nothing },
    registryStore: { readDesired: () => Promise.resolve([]) },
    registry: { functions: () => [], isReady: () => false, onChange: () => nothing },
    nodeLink: { begin: nothing, end: nothing },
    processLink: { begin: nothing, end: nothing },
    taskStream: { begin: () => new Promise(nothing), end: () => Promise.resolve() },
    ...more,
  };
  const kernel = new ActiveKernel(parts as unknown as ActiveKernelParts, 1 as Epoch);
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
    } as unknown as ActiveKernelParts['processLink'],
  });
  await new Promise(setImmediate);
  const event: KernelEvent = { kind: 'time-passed' };
  for (let sent = 0; sent < EDGE_LIMITS.maxQueuedEvents + 2; sent += 1) report(event);
  // One place is taken by what the registry told.
  expect(await counters.text()).toMatch(/^llmos_kernel_reports_dropped_total 3$/m);
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

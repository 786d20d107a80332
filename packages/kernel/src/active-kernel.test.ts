import { silentLogger } from '@llmos/base';
import type { Epoch } from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import type { ActiveKernelParts } from './active-kernel';
import { ActiveKernel } from './active-kernel';
import { PrometheusMetrics } from './adapters/http/prometheus-metrics';
import { EDGE_LIMITS } from './edge-limits';
import type { KernelEvent } from './kernel-event';

const nothing = (): void => undefined;

it('drops and counts reports while more events wait than it may hold', async () => {
  const counters = new PrometheusMetrics();
  let report: (event: KernelEvent) => void = nothing;
  const parts = {
    counters,
    clock: manualClock(),
    log: silentLogger,
    createCore: () => ({}),
    isLeading: () => true,
    onFailure: nothing,
    registryStore: { readDesired: () => Promise.resolve([]) },
    registry: { functions: () => [], isReady: () => false, onChange: () => nothing },
    nodeLink: { begin: nothing, end: nothing },
    processLink: {
      begin: (_epoch: Epoch, deliver: typeof report) => (report = deliver),
      end: nothing,
    },
    // The takeover of the intake lasts for ever, so nothing is applied.
    taskStream: { begin: () => new Promise(nothing), end: () => Promise.resolve() },
  };
  const kernel = new ActiveKernel(parts as unknown as ActiveKernelParts, 1 as Epoch);
  void kernel.begin();
  await new Promise(setImmediate);
  const event: KernelEvent = { kind: 'time-passed' };
  for (let sent = 0; sent < EDGE_LIMITS.maxQueuedEvents + 2; sent += 1) report(event);
  // One place is taken by what the registry told.
  expect(await counters.text()).toMatch(/^llmos_kernel_reports_dropped_total 3$/m);
});

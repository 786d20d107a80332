import type { FunctionName, TaskId, TenantId } from '@llmos/base';
import { silentLogger } from '@llmos/base';
import { PrometheusMetrics } from './adapters/http/prometheus-metrics';
import type { CarryOutOptions } from './carry-out';
import { DecisionCarrier } from './carry-out';
import { EDGE_LIMITS } from './edge-limits';
import type { KernelDecision } from './kernel-decision';

const announce: KernelDecision = {
  kind: 'announce',
  fact: {
    kind: 'task-completed',
    tenant: 'acme' as TenantId,
    id: 't1' as TaskId,
    function: 'echo' as FunctionName,
    class: 'batch',
    attempts: 1,
    ageMs: 5,
  },
};

it('drops and counts the announcements that one tick has too many', async () => {
  const counters = new PrometheusMetrics();
  let published = 0;
  const parts = { counters, log: silentLogger, eventLog: { publish: () => (published += 1) } };
  const carrier = new DecisionCarrier(parts as unknown as CarryOutOptions);
  const announceMany = (count: number): void => {
    for (let made = 0; made < count; made += 1) carrier.carryOut(announce);
  };
  carrier.beginTick();
  announceMany(EDGE_LIMITS.maxAnnouncementsPerTick + 3);
  expect(published).toBe(EDGE_LIMITS.maxAnnouncementsPerTick);
  expect(await counters.text()).toMatch(/^llmos_kernel_announcements_dropped_total 3$/m);
  carrier.beginTick();
  announceMany(1);
  expect(published).toBe(EDGE_LIMITS.maxAnnouncementsPerTick + 1);
});

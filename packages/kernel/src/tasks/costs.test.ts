/** What attempts cost is charged once, to their task and tenant, whatever processes say. */
import type { AttemptCost } from '@llmos/base';
import { NO_COST, seededRandom } from '@llmos/base';
import type { CoreFixture } from '../core-fixture';
import { refOf, runningCore } from '../core-fixture';
import type { KernelDecision } from '../kernel-decision';
import { CORE_LIMITS } from '../limits';
import { CostTable, OTHER_TENANTS } from './cost-table';

type Execute = Extract<KernelDecision, { kind: 'execute' }>;

const cost = (deviceMs: number, more: Partial<AttemptCost> = {}): AttemptCost => ({
  ...{ deviceMs, cpuMs: deviceMs * 2, inputTokens: 10, outputTokens: 1 },
  ...more,
});

/** A task that runs, and the attempt that was sent. */
function running(core: CoreFixture): Execute {
  core.store(core.task());
  core.startAll();
  const execute = core.only('execute');
  core.accept(execute);
  return execute;
}

function beat(core: CoreFixture, execute: Execute, told?: AttemptCost): void {
  const named = { ...refOf(execute), ...(told && { cost: told }) };
  core.apply({ kind: 'process-heartbeat', origin: execute.to, running: [named] });
}

function finish(core: CoreFixture, execute: Execute, told: AttemptCost): void {
  const outcome = { kind: 'committed', ok: true } as const;
  const event = { kind: 'attempt-finished', origin: execute.to, outcome, cost: told } as const;
  core.apply({ ...event, attempt: refOf(execute) });
}

const charged = (core: CoreFixture): AttemptCost => core.core.counts().costs.get('acme') ?? NO_COST;

it('grows with each heartbeat, is shown while the task runs, and is whole at its end', () => {
  const core = runningCore();
  const execute = running(core);
  core.advance(1000);
  beat(core, execute, cost(300));
  expect(charged(core)).toEqual(cost(300));
  const { tenant, id } = execute.spec;
  expect(core.core.statusOf(tenant, id)).toMatchObject({ state: 'running', cost: cost(300) });
  core.advance(1000);
  beat(core, execute, cost(700, { outputTokens: 4 }));
  expect(charged(core)).toEqual(cost(700, { outputTokens: 4 }));
  finish(core, execute, cost(750.1234567, { outputTokens: 5 }));
  expect(charged(core)).toEqual(cost(750.1234567, { outputTokens: 5 }));
  const [end] = core.take('announce').filter(({ fact }) => fact.kind === 'task-completed');
  expect(end?.fact).toMatchObject({ deviceMs: 750.123, inputTokens: 10, outputTokens: 5 });
});

it('is charged once, however often and in whatever order it is told', () => {
  const core = runningCore();
  const execute = running(core);
  core.advance(2000);
  for (const ms of [500, 500, 200, 0, 600, 600]) beat(core, execute, cost(ms));
  beat(core, execute);
  expect(charged(core)).toEqual(cost(600));
  for (let times = 0; times < 3; times += 1) finish(core, execute, cost(650));
  expect(charged(core)).toEqual(cost(650));
});

it('adds up over the attempts of a task', () => {
  const core = runningCore();
  const first = running(core);
  core.advance(1000);
  const attempt = refOf(first);
  core.apply({ kind: 'attempt-preempted', origin: first.to, attempt, cost: cost(400) });
  core.settle().advance(1000);
  const [second] = core.take('execute');
  if (second?.attempt !== 2) throw new Error('no second attempt');
  core.accept(second).advance(1000);
  beat(core, second, cost(100));
  expect(charged(core)).toEqual(cost(500, { inputTokens: 20, outputTokens: 2 }));
  const { tenant, id } = second.spec;
  expect(core.core.statusOf(tenant, id)).toMatchObject({ cost: { deviceMs: 500 } });
  // The first one's process is heard late.
  beat(core, first, cost(999));
  expect(charged(core).deviceMs).toBe(500);
});

it('is never more than a device, cores and a model can give in the time', () => {
  const core = runningCore();
  const execute = running(core);
  core.advance(1000);
  const huge = { deviceMs: 1e300, cpuMs: 1e300, inputTokens: 1e300, outputTokens: 1e300 };
  beat(core, execute, huge);
  const { maxChargedCores, maxChargedTokens } = CORE_LIMITS;
  const most = { inputTokens: maxChargedTokens, outputTokens: maxChargedTokens };
  expect(charged(core)).toEqual({ deviceMs: 1000, cpuMs: 1000 * maxChargedCores, ...most });
  core.advance(500);
  finish(core, execute, huge);
  expect(charged(core)).toEqual({ deviceMs: 1500, cpuMs: 1500 * maxChargedCores, ...most });
});

it('only grows, and stays a number, whatever finite amounts are told', () => {
  const random = seededRandom(7);
  const core = runningCore();
  const execute = running(core);
  let last = NO_COST;
  for (let round = 0; round < 200; round += 1) {
    core.advance(10);
    const amount = (): number => random.next() * 10 ** Math.floor(random.next() * 308);
    const [deviceMs, cpuMs, inputTokens, outputTokens] = [amount(), amount(), amount(), amount()];
    beat(core, execute, { deviceMs, cpuMs, inputTokens, outputTokens });
    const now = charged(core);
    for (const name of ['deviceMs', 'cpuMs', 'inputTokens', 'outputTokens'] as const) {
      expect(Number.isFinite(now[name])).toBe(true);
      expect(now[name]).toBeGreaterThanOrEqual(last[name]);
    }
    last = now;
  }
  expect(last.deviceMs).toBeLessThanOrEqual(2000);
});

it('tells so many tenants apart, and sums the others up', () => {
  const table = new CostTable(2);
  for (const tenant of ['a', 'b', 'c', 'd', 'a', 'c']) {
    table.add(tenant, cost(1, { cpuMs: 0 }));
  }
  const times = (count: number): AttemptCost => ({
    ...{ deviceMs: count, cpuMs: 0, inputTokens: 10 * count, outputTokens: count },
  });
  expect([...table.byTenant]).toEqual([
    ['a', times(2)],
    ['b', times(1)],
    [OTHER_TENANTS, times(3)],
  ]);
});

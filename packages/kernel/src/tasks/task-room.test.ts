import type { TenantId } from '@llmos/base';
import { asToken } from '@llmos/base';
import { runningCore } from '../core-fixture';

const acme = asToken<TenantId>('acme');
const zenith = asToken<TenantId>('zenith');

it('the room of a tenant for tasks is what it may have less what it has', () => {
  const core = runningCore({ maxTasks: 5, maxTasksPerTenant: 3 });
  expect(core.core.taskRoom(acme)).toEqual({ limit: 3, remaining: 3 });
  core.store(core.task(), core.task());
  expect(core.core.taskRoom(acme)).toEqual({ limit: 3, remaining: 1 });
  expect(core.core.taskRoom(zenith)).toEqual({ limit: 3, remaining: 3 });
});

it('and no more than what the kernel holds less than it may', () => {
  const core = runningCore({ maxTasks: 3, maxTasksPerTenant: 3 });
  core.store(core.task(), core.task(), core.task());
  expect(core.core.taskRoom(zenith)).toEqual({ limit: 3, remaining: 0 });
});

it('one more is refused beforehand by the rule that would end it afterwards', () => {
  const core = runningCore({ maxTasks: 5, maxTasksPerTenant: 2, taskStoreBytes: 10_000 });
  core.store(core.task());
  expect(core.core.refusalOf(acme, 100)).toBeUndefined();
  expect(core.core.refusalOf(acme, 9_000)).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
  core.store(core.task());
  const { message = '' } = core.core.refusalOf(acme, 100) ?? {};
  expect(message).toBe('tenant acme has 2 tasks, its limit is 2');
  expect(core.core.refusalOf(zenith, 100)).toBeUndefined();
});

/** Turns of tenants whose tasks are equal, on the policy alone. */
import type { TenantId } from '@llmos/base';
import { asToken, programTarget, seededRandom } from '@llmos/base';
import { CoreFixture } from '../core-fixture';
import type { Task } from '../tasks/task';
import { PriorityPolicy } from './priority-policy';
import type { Place } from './queue-policy';

class Turns {
  readonly served = new Map<string, number>();
  private readonly line = new PriorityPolicy().createLine(programTarget('echo'));
  private readonly places = new Map<Task, Place>();
  private readonly core = new CoreFixture();

  store(tenant: string): void {
    const spec = this.core.task({ tenant: asToken<TenantId>(tenant) });
    const task = { spec } as Task;
    this.places.set(task, this.line.add(task));
  }

  /** @returns whose task went. */
  take(): string | undefined {
    const task = this.line.head();
    const place = task && this.places.get(task);
    if (task === undefined || place === undefined) return undefined;
    this.line.serve(place as never);
    this.line.remove(place as never);
    const { tenant } = task.spec;
    this.served.set(tenant, (this.served.get(tenant) ?? 0) + 1);
    return tenant;
  }
}

it('gives a backlog its share beside equals that send one task after the other (Q6)', () => {
  const turns = new Turns();
  const others = ['a', 'b', 'c', 'd', 'e'];
  for (let n = 0; n < 600; n += 1) turns.store('backlog');
  for (const tenant of others) turns.store(tenant);
  for (let n = 0; n < 600; n += 1) {
    const tenant = turns.take();
    if (tenant !== undefined && tenant !== 'backlog') turns.store(tenant);
  }
  for (const tenant of ['backlog', ...others]) expect(turns.served.get(tenant)).toBe(100);
});

it('lets nobody have two turns between two of one that waits, however they come (Q6)', () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = seededRandom(seed);
    const turns = new Turns();
    const others = ['a', 'b', 'c', 'd'];
    for (let n = 0; n < 100; n += 1) turns.store('backlog');
    let since: string[] = [];
    for (let n = 0; n < 300; n += 1) {
      for (const tenant of others) if (random.chance(0.4)) turns.store(tenant);
      const tenant = turns.take();
      if (tenant === 'backlog') since = [];
      else if (tenant !== undefined) {
        expect({ seed, since }).not.toMatchObject({
          since: expect.arrayContaining([tenant]) as unknown,
        });
        since.push(tenant);
      }
    }
  }
});

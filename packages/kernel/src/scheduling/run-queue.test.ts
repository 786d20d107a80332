import type { TaskClass, TenantId } from '@llmos/base';
import { NO_COST, asTarget, seededRandom } from '@llmos/base';
import { CoreFixture } from '../core-fixture';
import type { Task } from '../tasks/task';
import type { HeapEntry } from './indexed-heap';
import { IndexedHeap } from './indexed-heap';
import { PriorityPolicy } from './priority-policy';
import { RunQueue } from './run-queue';

const fixture = new CoreFixture();

function task(
  sequence: number,
  taskClass: TaskClass,
  priority = 5,
  tenant: string = fixture.task().tenant,
): Task {
  const of = { sequence, class: taskClass, priority, tenant: tenant as TenantId };
  return {
    spec: fixture.task(of),
    repeat: undefined,
    deadlineWallMs: 0,
    mayRunElsewhere: false,
    target: asTarget('echo'),
    state: { kind: 'queued' },
    attempt: 1,
    uncountedAttempts: 0,
    preemptions: 0,
    unaskedReturns: 0,
    cost: NO_COST,
    ranAt: undefined,
    isApart: false,
    failures: [],
    hasAttemptRow: false,
    isRecording: false,
    isLookingUp: false,
  };
}

const pid = (name: string) => name as Parameters<RunQueue['bestFor']>[1];

function drain(queue: RunQueue, process = 'p1'): number[] {
  const order: number[] = [];
  for (;;) {
    const next = queue.bestFor(asTarget('echo'), pid(process));
    if (next === undefined) return order;
    queue.serve(next);
    queue.remove(next);
    order.push(next.spec.sequence);
  }
}

function drainOrder(tasks: readonly Task[]): number[] {
  const all = new RunQueue(new PriorityPolicy());
  for (const one of tasks) all.add(one, asTarget('echo'), undefined);
  return drain(all);
}

describe('run queue', () => {
  it('orders by class, then priority, then age', () => {
    const queue = new RunQueue(new PriorityPolicy());
    const tasks = [
      task(1, 'batch', 9),
      task(2, 'standard', 1),
      task(3, 'standard', 7),
      task(4, 'interactive', 0),
      task(5, 'standard', 7),
    ];
    for (const one of tasks) queue.add(one, asTarget('echo'), undefined);
    expect(drain(queue)).toEqual([4, 3, 5, 2, 1]);
    expect(queue.size).toBe(0);
  });

  it('tells what goes before a task, unless that is more than the bound', () => {
    const queue = new RunQueue(new PriorityPolicy());
    const tasks = Array.from({ length: 40 }, (_, index) => task(index + 1, 'batch', index % 10));
    tasks.forEach((one, index) =>
      queue.add(one, asTarget('echo'), index < 8 ? pid('p1') : undefined),
    );
    queue.add(task(41, 'interactive'), asTarget('echo'), pid('p2'));
    const order = drainOrder(tasks);
    for (const one of tasks) {
      const ahead = queue.ahead(one, 100);
      const isPinned = one.spec.sequence <= 8;
      const before = order.slice(0, order.indexOf(one.spec.sequence));
      const expected = before.filter((sequence) => isPinned || sequence > 8);
      expect(ahead).toEqual({ own: expected.length, others: 0 });
    }
    const last = tasks.find(({ spec }) => spec.sequence === order.at(-1));
    if (last === undefined) throw new Error('the last one is a task');
    expect(queue.ahead(last, 5)).toBeUndefined();
    expect(queue.ahead(task(99, 'batch'), 5)).toEqual({ own: 0, others: 0 });
  });

  it('takes the tenants in turns where class and priority are equal, however many one has', () => {
    const queue = new RunQueue(new PriorityPolicy());
    const tenants = ['a', 'a', 'a', 'a', 'b', 'b', 'c'];
    const tasks = tenants.map((tenant, index) => task(index + 1, 'standard', 5, tenant));
    tasks.push(task(8, 'interactive', 5, 'a'), task(9, 'standard', 6, 'b'), task(10, 'batch'));
    for (const one of tasks) queue.add(one, asTarget('echo'), undefined);
    const ahead = tasks.map((one) => queue.ahead(one, 100));
    const order = drain(queue);
    expect(order).toEqual([8, 9, 7, 1, 5, 2, 6, 3, 4, 10]);
    // What is said beforehand knows of no turn but those that are left.
    expect(ahead[6]).toEqual({ own: 0, others: 4 });
    expect(ahead[3]).toEqual({ own: 4, others: 4 });
    expect(ahead[9]).toEqual({ own: 0, others: 9 });
  });

  it('finds the next one of anyone but a tenant', () => {
    const queue = new RunQueue(new PriorityPolicy());
    const tenants = ['a', 'a', 'b', 'c'];
    tenants.forEach((tenant, index) =>
      queue.add(
        task(index + 1, 'standard', 5, tenant),
        asTarget('echo'),
        index === 3 ? pid('p1') : undefined,
      ),
    );
    const next = (process: string, except?: string) =>
      queue.bestFor(asTarget('echo'), pid(process), except as TenantId | undefined)?.spec.sequence;
    expect([next('p1'), next('p1', 'a'), next('p1', 'b')]).toEqual([1, 3, 1]);
    expect(next('p2', 'b')).toBe(1);
    queue.remove(queue.bestFor(asTarget('echo'), pid('p2'), 'a' as TenantId) as Task);
    expect([next('p1', 'a'), next('p2', 'a')]).toEqual([4, undefined]);
  });

  it('gives pinned tasks only to their process, and everyone the shared ones', () => {
    const queue = new RunQueue(new PriorityPolicy());
    queue.add(task(1, 'standard'), asTarget('echo'), pid('p1'));
    queue.add(task(2, 'standard'), asTarget('echo'), undefined);
    expect(queue.bestFor(asTarget('echo'), pid('p2'))?.spec.sequence).toBe(2);
    expect(queue.bestFor(asTarget('echo'), pid('p1'))?.spec.sequence).toBe(1);
    queue.unpin(asTarget('echo'), pid('p1'));
    expect(drain(queue, 'p2')).toEqual([1, 2]);
  });

  it('takes tasks out of the middle without losing others', () => {
    const queue = new RunQueue(new PriorityPolicy());
    const tasks = [1, 2, 3, 4, 5].map((sequence) => task(sequence, 'standard'));
    for (const one of tasks) queue.add(one, asTarget('echo'), undefined);
    for (const one of [tasks[1], tasks[3]]) if (one !== undefined) queue.remove(one);
    expect(queue.countsByClass()).toEqual({ interactive: 0, standard: 3, batch: 0 });
    expect(drain(queue)).toEqual([1, 3, 5]);
  });
});

describe('indexed heap', () => {
  it('stays in order while random entries come and go', () => {
    const random = seededRandom(5);
    const heap = new IndexedHeap<HeapEntry & { value: number }>((a, b) => a.value < b.value);
    let entries = Array.from({ length: 300 }, () => ({ value: random.below(1000), index: -1 }));
    for (const entry of entries) heap.push(entry);
    entries = entries.filter((entry) => {
      if (!random.chance(0.5)) return true;
      heap.remove(entry);
      return false;
    });
    const expected = entries.map((entry) => entry.value).sort((a, b) => a - b);
    const actual = entries.map(() => heap.pop()?.value);
    expect(actual).toEqual(expected);
    expect(heap.size).toBe(0);
  });
});

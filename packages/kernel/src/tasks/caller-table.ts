/**
 * Which live tasks are bound to which caller. Sole writer of that index. What is bound to nobody is
 * not in it, so it is never larger than the table of tasks.
 */
import type { CallerId, TenantCaller, TenantId } from '@llmos/base';
import type { Task } from './task';
import { callerOf } from './task';

export type BoundTasks = ReadonlyMap<TenantId, ReadonlyMap<CallerId, ReadonlySet<Task>>>;

export class CallerTable {
  private readonly byTenant = new Map<TenantId, Map<CallerId, Set<Task>>>();
  private callers = 0;

  /** Callers that tasks are bound to. */
  get size(): number {
    return this.callers;
  }

  all(): BoundTasks {
    return this.byTenant;
  }

  tasksOf({ tenant, caller }: TenantCaller): readonly Task[] {
    return [...(this.byTenant.get(tenant)?.get(caller) ?? [])];
  }

  add(task: Task): void {
    const caller = callerOf(task);
    if (caller === undefined) return;
    const { tenant } = task.spec;
    const callers = this.byTenant.get(tenant) ?? new Map<CallerId, Set<Task>>();
    this.byTenant.set(tenant, callers);
    const tasks = callers.get(caller);
    if (tasks !== undefined) {
      tasks.add(task);
      return;
    }
    callers.set(caller, new Set([task]));
    this.callers += 1;
  }

  /** Call it before what the task is bound to changes. */
  remove(task: Task): void {
    const caller = callerOf(task);
    if (caller === undefined) return;
    const { tenant } = task.spec;
    const callers = this.byTenant.get(tenant);
    const tasks = callers?.get(caller);
    if (callers === undefined || tasks?.delete(task) !== true || tasks.size > 0) return;
    callers.delete(caller);
    this.callers -= 1;
    if (callers.size === 0) this.byTenant.delete(tenant);
  }
}

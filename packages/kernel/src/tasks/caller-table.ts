/**
 * Which live tasks are bound to which caller. Sole writer of that index. What is bound to nobody is
 * not in it, so it is never larger than the table of tasks.
 */
import type { CallerId, TenantCaller, TenantId } from '@llmos/base';
import type { Task } from './task';
import { callerOf } from './task';
import { TaskGroups } from './task-groups';

/** Of one tenant. */
export interface BoundCallers {
  readonly size: number;
  has(caller: CallerId): boolean;
  keys(): IterableIterator<CallerId>;
}
export type BoundTasks = ReadonlyMap<TenantId, BoundCallers>;

export class CallerTable {
  private readonly byTenant = new Map<TenantId, TaskGroups<CallerId>>();
  private callers = 0;

  /** Callers that tasks are bound to. */
  get size(): number {
    return this.callers;
  }

  all(): ReadonlyMap<TenantId, TaskGroups<CallerId>> {
    return this.byTenant;
  }

  sizeOf({ tenant, caller }: TenantCaller): number {
    return this.byTenant.get(tenant)?.sizeOf(caller) ?? 0;
  }

  /** See TaskGroups. */
  tasksOf({ tenant, caller }: TenantCaller): IterableIterator<Task> {
    return this.byTenant.get(tenant)?.membersOf(caller) ?? [].values();
  }

  add(task: Task): void {
    const caller = callerOf(task);
    if (caller === undefined) return;
    const { tenant } = task.spec;
    const callers = this.byTenant.get(tenant) ?? new TaskGroups<CallerId>();
    this.byTenant.set(tenant, callers);
    const before = callers.size;
    callers.add(caller, task);
    this.callers += callers.size - before;
  }

  /** Call it before what the task is bound to changes. */
  remove(task: Task): void {
    const caller = callerOf(task);
    if (caller === undefined) return;
    const { tenant } = task.spec;
    const callers = this.byTenant.get(tenant);
    if (callers === undefined) return;
    const before = callers.size;
    callers.remove(caller, task);
    this.callers += callers.size - before;
    if (callers.size === 0) this.byTenant.delete(tenant);
  }
}

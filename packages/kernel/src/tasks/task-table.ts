/**
 * All live tasks, by stream sequence and by (tenant, id). Invariant K4: no two live tasks have the
 * same tenant and id. Sole writer of both indexes, the family index and the tenants' counts.
 */
import type { TaskId, TenantId } from '@llmos/base';
import type { Task } from './task';

/** Tokens hold no slash, so this is unique. */
export function taskName(tenant: TenantId, task: TaskId): string {
  return `${tenant}/${task}`;
}

export class TaskTable {
  private readonly bySequence = new Map<number, Task>();
  private readonly byName = new Map<string, Task>();
  /** Name of a parent or root → its live descendants. */
  private readonly families = new Map<string, Set<Task>>();
  private readonly countByTenant = new Map<TenantId, number>();

  get size(): number {
    return this.bySequence.size;
  }

  sizeOf(tenant: TenantId): number {
    return this.countByTenant.get(tenant) ?? 0;
  }

  get(sequence: number): Task | undefined {
    return this.bySequence.get(sequence);
  }

  find(tenant: TenantId, id: TaskId): Task | undefined {
    return this.byName.get(taskName(tenant, id));
  }

  all(): IterableIterator<Task> {
    return this.bySequence.values();
  }

  /** The caller has checked that neither the sequence nor the name is live. */
  add(task: Task): void {
    const { tenant, id, sequence } = task.spec;
    this.bySequence.set(sequence, task);
    this.byName.set(taskName(tenant, id), task);
    this.countByTenant.set(tenant, this.sizeOf(tenant) + 1);
    for (const ancestor of ancestorsOf(task)) {
      const family = this.families.get(ancestor);
      if (family === undefined) this.families.set(ancestor, new Set([task]));
      else family.add(task);
    }
  }

  remove(task: Task): void {
    const { tenant, id, sequence } = task.spec;
    if (!this.bySequence.delete(sequence)) return;
    this.byName.delete(taskName(tenant, id));
    const left = this.sizeOf(tenant) - 1;
    if (left > 0) this.countByTenant.set(tenant, left);
    else this.countByTenant.delete(tenant);
    for (const ancestor of ancestorsOf(task)) {
      const family = this.families.get(ancestor);
      family?.delete(task);
      if (family?.size === 0) this.families.delete(ancestor);
    }
  }

  /** Live tasks whose parent or root this is. */
  descendantsOf(tenant: TenantId, id: TaskId): Task[] {
    return [...(this.families.get(taskName(tenant, id)) ?? [])];
  }
}

function ancestorsOf(task: Task): string[] {
  const { tenant, parent, root } = task.spec;
  const ids = [parent, root].filter((id): id is TaskId => id !== undefined);
  return [...new Set(ids)].map((id) => taskName(tenant, id));
}

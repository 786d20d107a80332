/**
 * All live tasks, by stream sequence and by (tenant, id). Invariant K4: no two live tasks have the
 * same tenant and id. Sole writer of both indexes, the family index and the tenants' counts.
 */
import type { TaskId, TenantId } from '@llmos/base';
import { CORE_LIMITS } from '../limits';
import type { Task } from './task';

/** Tokens hold no slash, so this is unique. */
export function taskName(tenant: TenantId, task: TaskId): string {
  return `${tenant}/${task}`;
}

/** What a task takes in its stream, about. */
export function storedBytes(bodyBytes = 0): number {
  return bodyBytes + CORE_LIMITS.storedOverheadBytes;
}

/** What one tenant has. */
interface Held {
  readonly tasks: Map<TaskId, Task>;
  bytes: number;
}

export class TaskTable {
  private readonly bySequence = new Map<number, Task>();
  /** Name of a parent or root → its live descendants. */
  private readonly families = new Map<string, Set<Task>>();
  /** By tenant, then id: a name of both would be made, and hashed, for each question. */
  private readonly byTenant = new Map<TenantId, Held>();
  private heldBytes = 0;

  get size(): number {
    return this.bySequence.size;
  }

  sizeOf(tenant: TenantId): number {
    return this.byTenant.get(tenant)?.tasks.size ?? 0;
  }

  /** Of all tasks in their stream, about. */
  get bytes(): number {
    return this.heldBytes;
  }

  bytesOf(tenant: TenantId): number {
    return this.byTenant.get(tenant)?.bytes ?? 0;
  }

  get(sequence: number): Task | undefined {
    return this.bySequence.get(sequence);
  }

  find(tenant: TenantId, id: TaskId): Task | undefined {
    return this.byTenant.get(tenant)?.tasks.get(id);
  }

  all(): IterableIterator<Task> {
    return this.bySequence.values();
  }

  /** The caller has checked that neither the sequence nor the name is live. */
  add(task: Task): void {
    const { tenant, id, sequence } = task.spec;
    this.bySequence.set(sequence, task);
    let held = this.byTenant.get(tenant);
    if (held === undefined) {
      held = { tasks: new Map(), bytes: 0 };
      this.byTenant.set(tenant, held);
    }
    held.tasks.set(id, task);
    held.bytes += storedBytes(task.spec.bodyBytes);
    this.heldBytes += storedBytes(task.spec.bodyBytes);
    for (const ancestor of ancestorsOf(task)) {
      const family = this.families.get(ancestor);
      if (family === undefined) this.families.set(ancestor, new Set([task]));
      else family.add(task);
    }
  }

  remove(task: Task): void {
    const { tenant, id, sequence } = task.spec;
    if (!this.bySequence.delete(sequence)) return;
    const held = this.byTenant.get(tenant);
    held?.tasks.delete(id);
    if (held?.tasks.size === 0) this.byTenant.delete(tenant);
    else if (held !== undefined) held.bytes -= storedBytes(task.spec.bodyBytes);
    this.heldBytes -= storedBytes(task.spec.bodyBytes);
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

const NOBODY: readonly string[] = [];

function ancestorsOf(task: Task): readonly string[] {
  const { tenant, parent, root } = task.spec;
  if (parent === undefined && root === undefined) return NOBODY;
  const ids = [parent, root].filter((id): id is TaskId => id !== undefined);
  return [...new Set(ids)].map((id) => taskName(tenant, id));
}

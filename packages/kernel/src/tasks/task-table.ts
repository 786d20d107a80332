/**
 * All live tasks, by stream sequence and by (tenant, id). Invariant K4: no two live tasks have the
 * same tenant and id. Sole writer of both indexes, the family index and the tenants' counts.
 */
import type { TaskId, TenantId } from '@llmos/base';
import { CORE_LIMITS } from '../limits';
import type { Task } from './task';
import { TaskGroups } from './task-groups';
import type { TaskSpec } from './task-spec';
import { weightOf } from './task-weight';

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
  /** By the id of a parent or root, which need not be live itself. */
  readonly families: TaskGroups<TaskId>;
  bytes: number;
}

export class TaskTable {
  private readonly bySequence = new Map<number, Task>();
  /** By tenant, then id: a name of both would be made, and hashed, for each question. */
  private readonly byTenant = new Map<TenantId, Held>();
  private heldBytes = 0;
  private families = 0;
  private weight = 0;

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

  /** Of all tasks in the heap, about. */
  get weightBytes(): number {
    return this.weight;
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
      held = { tasks: new Map(), families: new TaskGroups(), bytes: 0 };
      this.byTenant.set(tenant, held);
    }
    held.tasks.set(id, task);
    held.bytes += storedBytes(task.spec.bodyBytes);
    this.heldBytes += storedBytes(task.spec.bodyBytes);
    this.weight += weightOf(task);
    const { families } = held;
    const before = families.size;
    for (const ancestor of ancestorsOf(task)) families.add(ancestor, task);
    this.families += families.size - before;
  }

  remove(task: Task): void {
    const { tenant, id, sequence } = task.spec;
    if (!this.bySequence.delete(sequence)) return;
    const held = this.byTenant.get(tenant);
    if (held === undefined) return;
    held.tasks.delete(id);
    held.bytes -= storedBytes(task.spec.bodyBytes);
    this.heldBytes -= storedBytes(task.spec.bodyBytes);
    this.weight -= weightOf(task);
    const { families } = held;
    const before = families.size;
    for (const ancestor of ancestorsOf(task)) families.remove(ancestor, task);
    this.families += families.size - before;
    if (held.tasks.size === 0) this.byTenant.delete(tenant);
  }

  /** Another message of a live task stands beside its own from now on. */
  setRepeat(task: Task, repeat: TaskSpec): void {
    this.weight -= weightOf(task);
    task.repeat = repeat;
    this.weight += weightOf(task);
  }

  /** Live tasks whose parent or root has this id; undefined where there are none. */
  familyOf(tenant: TenantId, id: TaskId): Family | undefined {
    const families = this.byTenant.get(tenant)?.families;
    if (families?.has(id) !== true) return undefined;
    return { size: families.sizeOf(id), members: families.membersOf(id) };
  }

  hasFamily(tenant: TenantId, id: TaskId): boolean {
    return this.byTenant.get(tenant)?.families.has(id) === true;
  }

  /** Ids that live tasks have for their parent or root. */
  get familyCount(): number {
    return this.families;
  }

  /** The families of each tenant, for the invariants. */
  allFamilies(): readonly (readonly [TenantId, TaskGroups<TaskId>])[] {
    return [...this.byTenant].map(([tenant, { families }]) => [tenant, families]);
  }
}

export interface Family {
  /** At this moment. */
  readonly size: number;
  /** See TaskGroups. */
  readonly members: IterableIterator<Task>;
}

/** The ids of parent and root, each once. */
export function ancestorsOf({ spec: { parent, root } }: Task): readonly TaskId[] {
  if (parent === undefined) return root === undefined ? NOBODY : [root];
  return root === undefined || root === parent ? [parent] : [parent, root];
}

const NOBODY: readonly TaskId[] = [];

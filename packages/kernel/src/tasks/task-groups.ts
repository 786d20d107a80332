/**
 * Live tasks by something that they have in common: a family, a caller. A name is there for as long
 * as it has members, which stand in the order in which they came. Its owner is the sole writer.
 */
import type { Task } from './task';

export class TaskGroups<Name> {
  private readonly groups = new Map<Name, Set<Task>>();

  /** Of the names. */
  get size(): number {
    return this.groups.size;
  }

  has(name: Name): boolean {
    return this.groups.has(name);
  }

  keys(): IterableIterator<Name> {
    return this.groups.keys();
  }

  sizeOf(name: Name): number {
    return this.groups.get(name)?.size ?? 0;
  }

  isMember(name: Name, task: Task): boolean {
    return this.groups.get(name)?.has(task) === true;
  }

  /**
   * No copy: whoever goes over them may let others change them meanwhile. Then it meets no member
   * that is gone, and each that was there when it began and stays.
   */
  membersOf(name: Name): IterableIterator<Task> {
    return (this.groups.get(name) ?? NOBODY).values();
  }

  add(name: Name, task: Task): void {
    const group = this.groups.get(name);
    if (group === undefined) this.groups.set(name, new Set([task]));
    else group.add(task);
  }

  remove(name: Name, task: Task): void {
    const group = this.groups.get(name);
    if (group?.delete(task) === true && group.size === 0) this.groups.delete(name);
  }
}

const NOBODY: ReadonlySet<Task> = new Set();

/**
 * Live tasks by something that they have in common: a family, a caller. A name is there for as long
 * as it has members, which stand in the order in which they came. Its owner is the sole writer.
 */
import type { Task } from './task';

export class TaskGroups<Name> {
  private readonly groups = new Map<Name, Task | Set<Task>>();

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
    const group = this.groups.get(name);
    if (group === undefined) return 0;
    return group instanceof Set ? group.size : 1;
  }

  isMember(name: Name, task: Task): boolean {
    const group = this.groups.get(name);
    return group instanceof Set ? group.has(task) : group === task;
  }

  /**
   * No copy: whoever goes over them may let others change them meanwhile. Then it meets no member
   * that is gone, and each that was there when it began and stays.
   */
  membersOf(name: Name): IterableIterator<Task> {
    const group = this.groups.get(name);
    return group instanceof Set ? group.values() : this.lone(name, group);
  }

  private *lone(name: Name, task: Task | undefined): IterableIterator<Task> {
    if (task !== undefined && this.isMember(name, task)) yield task;
  }

  add(name: Name, task: Task): void {
    const group = this.groups.get(name);
    if (group === undefined) this.groups.set(name, task);
    else if (group instanceof Set) group.add(task);
    else if (group !== task) this.groups.set(name, new Set([group, task]));
  }

  /** A set stays one with its last member: somebody may go over it. */
  remove(name: Name, task: Task): void {
    const group = this.groups.get(name);
    if (group === task) this.groups.delete(name);
    if (!(group instanceof Set)) return;
    group.delete(task);
    if (group.size === 0) this.groups.delete(name);
  }
}

/**
 * Tasks that could run now, per target, most urgent first: class, then priority, then age.
 *
 * A task whose key is bound to a process waits in that process's own line of the target, all others
 * in the shared one; every change is O(log n). Sole writer of its lines.
 */
import type { ProcessId, TaskClass } from '@llmos/base';
import { MAX_PRIORITY, TASK_CLASSES, classRank, compareUrgency } from '@llmos/base';
import type { Task } from '../tasks/task';
import { IndexedHeap, type HeapEntry } from './indexed-heap';

/** Whether `a` goes before `b`. Total: sequences are unique. */
export function isMoreUrgent(a: Task, b: Task): boolean {
  return compareUrgency(a.spec, b.spec) < 0;
}

/** A task in a line. What orders it stands here: behind the task, it would be far away in memory. */
interface Place extends HeapEntry {
  readonly task: Task;
  /** Of class and priority; the lowest first. */
  readonly rank: number;
  readonly sequence: number;
  line: Line;
}
interface Line {
  readonly target: string;
  readonly heap: IndexedHeap<Place>;
  readonly counts: Record<TaskClass, number>;
}
interface TargetLines {
  readonly shared: Line;
  readonly pinned: Map<ProcessId, Line>;
  size: number;
}

export class RunQueue {
  private readonly lines = new Map<string, TargetLines>();
  private readonly places = new Map<number, Place>();
  private readonly counts = { interactive: 0, standard: 0, batch: 0 };

  get size(): number {
    return this.places.size;
  }

  countsByClass(): Record<TaskClass, number> {
    return { ...this.counts };
  }

  sizeOf(target: string): number {
    return this.lines.get(target)?.size ?? 0;
  }

  has(task: Task): boolean {
    return this.places.has(task.spec.sequence);
  }

  /** Targets that have a task waiting. */
  targets(): string[] {
    return [...this.lines.keys()];
  }

  add(task: Task, target: string, pinnedTo: ProcessId | undefined): void {
    const lines = this.linesOf(target);
    const line = pinnedTo === undefined ? lines.shared : pinnedLine(lines, target, pinnedTo);
    const { sequence } = task.spec;
    const place: Place = { task, rank: rankOf(task), sequence, line, index: -1 };
    this.places.set(sequence, place);
    pushPlace(line, place);
    lines.size += 1;
    this.counts[task.spec.class] += 1;
  }

  remove(task: Task): void {
    const place = this.places.get(task.spec.sequence);
    if (place === undefined) return;
    this.places.delete(task.spec.sequence);
    place.line.heap.remove(place);
    place.line.counts[task.spec.class] -= 1;
    this.counts[task.spec.class] -= 1;
    const { target } = place.line;
    const lines = this.linesOf(target);
    lines.size -= 1;
    if (lines.size === 0) this.lines.delete(target);
  }

  /** What this process should run next: its own or a shared task. */
  bestFor(target: string, pid: ProcessId): Task | undefined {
    const lines = this.lines.get(target);
    const shared = lines?.shared.heap.peek()?.task;
    const pinned = lines?.pinned.get(pid)?.heap.peek()?.task;
    return moreUrgentOf(shared, pinned);
  }

  /** The most urgent task of a target, whoever may run it. */
  headOf(target: string): Task | undefined {
    const lines = this.lines.get(target);
    let head = lines?.shared.heap.peek()?.task;
    for (const line of lines?.pinned.values() ?? []) {
      head = moreUrgentOf(head, line.heap.peek()?.task);
    }
    return head;
  }

  /** How many tasks of higher classes than this one the process could take next. */
  countAbove(target: string, pid: ProcessId, than: TaskClass): number {
    const lines = this.lines.get(target);
    let count = 0;
    for (const each of TASK_CLASSES) {
      if (classRank(each) >= classRank(than)) continue;
      count += (lines?.shared.counts[each] ?? 0) + (lines?.pinned.get(pid)?.counts[each] ?? 0);
    }
    return count;
  }

  /** Those of the targets that have tasks, in the order of their most urgent one. */
  byUrgency(targets: Iterable<string>): string[] {
    const heads = [...targets].flatMap((target) => {
      const head = this.headOf(target);
      return head === undefined ? [] : [{ target, head }];
    });
    heads.sort((a, b) => (isMoreUrgent(a.head, b.head) ? -1 : 1));
    return heads.map(({ target }) => target);
  }

  /** Those that go before it, shared or bound to the same process; undefined where too many. */
  ahead(task: Task, most: number): Task[] | undefined {
    const place = this.places.get(task.spec.sequence);
    if (place === undefined) return [];
    const { shared } = this.linesOf(place.line.target);
    const lines = place.line === shared ? [shared] : [shared, place.line];
    const found: Task[] = [];
    for (const line of lines) {
      const before = line.heap.before(place, most - found.length);
      if (before === undefined) return undefined;
      for (const other of before) found.push(other.task);
    }
    return found;
  }

  /** The process is gone: its tasks may go anywhere. */
  unpin(target: string, pid: ProcessId): void {
    const lines = this.lines.get(target);
    const line = lines?.pinned.get(pid);
    if (lines === undefined || line === undefined) return;
    lines.pinned.delete(pid);
    for (const place of line.heap.values()) {
      place.line = lines.shared;
      pushPlace(lines.shared, place);
    }
  }

  private linesOf(target: string): TargetLines {
    let lines = this.lines.get(target);
    if (lines === undefined) {
      lines = { shared: createLine(target), pinned: new Map(), size: 0 };
      this.lines.set(target, lines);
    }
    return lines;
  }
}

/** Orders as `isMoreUrgent` does. */
function rankOf({ spec }: Task): number {
  return classRank(spec.class) * (MAX_PRIORITY + 1) + MAX_PRIORITY - spec.priority;
}

function createLine(target: string): Line {
  return {
    target,
    heap: new IndexedHeap((a, b) =>
      a.rank === b.rank ? a.sequence < b.sequence : a.rank < b.rank,
    ),
    counts: { interactive: 0, standard: 0, batch: 0 },
  };
}

function pushPlace(line: Line, place: Place): void {
  line.heap.push(place);
  line.counts[place.task.spec.class] += 1;
}

function pinnedLine(lines: TargetLines, target: string, pid: ProcessId): Line {
  let line = lines.pinned.get(pid);
  if (line === undefined) {
    line = createLine(target);
    lines.pinned.set(pid, line);
  }
  return line;
}

function moreUrgentOf(a: Task | undefined, b: Task | undefined): Task | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return isMoreUrgent(a, b) ? a : b;
}

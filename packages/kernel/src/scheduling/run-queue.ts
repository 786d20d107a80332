/**
 * Tasks that could run now, per target, most urgent first: class, then priority; where these are
 * equal the tenants take turns, and of one tenant the oldest goes first.
 *
 * A task whose key is bound to a process waits in that process's own line of the target, all others
 * in the shared one; a line is one of each tenant that waits in it. Every change is O(log n). Sole
 * writer of its lines; tells each change.
 */
import type { ProcessId, Target, TaskClass, TenantId } from '@llmos/base';
import { MAX_PRIORITY, TASK_CLASSES, classRank, compareUrgency } from '@llmos/base';
import type { Task } from '../tasks/task';
import { IndexedHeap, type HeapEntry } from './indexed-heap';

/** Whether `a` goes before `b`, if no tenant had a turn before. Total: sequences are unique. */
export function isMoreUrgent(a: Task, b: Task): boolean {
  return compareUrgency(a.spec, b.spec) < 0;
}

/** A task in a line. What orders it stands here: behind the task, it would be far away in memory. */
interface Place extends HeapEntry {
  readonly task: Task;
  /** Of class and priority; the lowest first. */
  readonly rank: number;
  readonly sequence: number;
  line: TenantLine;
}
/** What waits of one tenant in a line; never empty. */
interface TenantLine extends HeapEntry {
  readonly line: Line;
  readonly tenant: TenantId;
  readonly heap: IndexedHeap<Place>;
  /** Larger the later it had its last turn since it waits here; 0: none. */
  servedAt: number;
}
interface Line {
  readonly target: Target;
  readonly byTurn: IndexedHeap<TenantLine>;
  readonly byTenant: Map<TenantId, TenantLine>;
  readonly counts: Record<TaskClass, number>;
}
/** How many go before a task. */
export interface Ahead {
  /** Of its tenant. */
  readonly own: number;
  readonly others: number;
}
interface TargetLines {
  readonly shared: Line;
  readonly pinned: Map<ProcessId, Line>;
  size: number;
}

/** What the queue tells, after it has changed. */
export interface QueueListener {
  /** A task may be taken that could not be taken before, by this process at least. */
  readonly onOffer: (target: Target) => void;
  /** So many wait now; the most urgent one may be another. */
  readonly onChange: (target: Target, size: number) => void;
}

const NOBODY: QueueListener = { onOffer: () => undefined, onChange: () => undefined };

export class RunQueue {
  private readonly lines = new Map<Target, TargetLines>();
  private readonly places = new Map<number, Place>();
  private readonly counts = { interactive: 0, standard: 0, batch: 0 };
  private turns = 0;

  constructor(private readonly listener: QueueListener = NOBODY) {}

  get size(): number {
    return this.places.size;
  }

  countsByClass(): Record<TaskClass, number> {
    return { ...this.counts };
  }

  sizeOf(target: Target): number {
    return this.lines.get(target)?.size ?? 0;
  }

  has(task: Task): boolean {
    return this.places.has(task.spec.sequence);
  }

  /** Targets that have a task waiting. */
  targets(): Target[] {
    return [...this.lines.keys()];
  }

  add(task: Task, target: Target, pinnedTo: ProcessId | undefined): void {
    const lines = this.linesOf(target);
    const line = pinnedTo === undefined ? lines.shared : pinnedLine(lines, target, pinnedTo);
    const { sequence } = task.spec;
    const ofTenant = tenantLine(line, task.spec.tenant);
    const place: Place = { task, rank: rankOf(task), sequence, line: ofTenant, index: -1 };
    this.places.set(sequence, place);
    pushPlace(place);
    lines.size += 1;
    this.counts[task.spec.class] += 1;
    this.listener.onOffer(target);
    this.listener.onChange(target, lines.size);
  }

  remove(task: Task): void {
    const place = this.places.get(task.spec.sequence);
    if (place === undefined) return;
    this.places.delete(task.spec.sequence);
    removePlace(place);
    this.counts[task.spec.class] -= 1;
    const { target } = place.line.line;
    const lines = this.linesOf(target);
    lines.size -= 1;
    if (lines.size === 0) this.lines.delete(target);
    this.listener.onChange(target, lines.size);
  }

  /** This task is taken now: its tenant had its turn. */
  serve(task: Task): void {
    const line = this.places.get(task.spec.sequence)?.line;
    if (line === undefined) return;
    this.turns += 1;
    line.servedAt = this.turns;
    putAnew(line);
  }

  /** What this process should run next: its own or a shared task, of anyone but that tenant. */
  bestFor(target: Target, pid: ProcessId, except?: TenantId): Task | undefined {
    const lines = this.lines.get(target);
    return moreUrgentOf(headOf(lines?.shared, except), headOf(lines?.pinned.get(pid), except));
  }

  /** The most urgent task of a target, whoever may run it. */
  headOf(target: Target): Task | undefined {
    const lines = this.lines.get(target);
    let head = headOf(lines?.shared);
    for (const line of lines?.pinned.values() ?? []) head = moreUrgentOf(head, headOf(line));
    return head;
  }

  /** How many tasks of higher classes than this one the process could take next. */
  countAbove(target: Target, pid: ProcessId, than: TaskClass): number {
    const lines = this.lines.get(target);
    let count = 0;
    for (const each of TASK_CLASSES) {
      if (classRank(each) >= classRank(than)) continue;
      count += (lines?.shared.counts[each] ?? 0) + (lines?.pinned.get(pid)?.counts[each] ?? 0);
    }
    return count;
  }

  /** Those of the targets that have tasks, in the order of their most urgent one. */
  byUrgency(targets: Iterable<Target>): Target[] {
    const heads = [...targets].flatMap((target) => {
      const head = this.headOf(target);
      return head === undefined ? [] : [{ target, head }];
    });
    heads.sort((a, b) => (isMoreUrgent(a.head, b.head) ? -1 : 1));
    return heads.map(({ target }) => target);
  }

  /**
   * How many go before it, shared or bound to the same process; undefined where too many. Of its
   * equals, others have as many turns as its own tenant until then.
   */
  ahead(task: Task, most: number): Ahead | undefined {
    const place = this.places.get(task.spec.sequence);
    if (place === undefined) return { own: 0, others: 0 };
    const { line } = place.line;
    const { shared } = this.linesOf(line.target);
    const all = line === shared ? [shared] : [shared, line];
    const own = all.flatMap(({ byTenant }) => byTenant.get(task.spec.tenant) ?? []);
    const before = firstOf(own, place, most);
    if (before === undefined) return undefined;
    const equals = before.filter(({ rank }) => rank === place.rank).length;
    let others = 0;
    for (const other of all.flatMap(({ byTenant }) => [...byTenant.values()])) {
      if (own.includes(other)) continue;
      const left = most - before.length - others;
      const turns = own.some((mine) => isBefore(mine, other)) ? equals : equals + 1;
      const count = countBefore(other, place.rank, { turns, most: left });
      if (count === undefined) return undefined;
      others += count;
    }
    return { own: before.length, others };
  }

  /** The process is gone: its tasks may go anywhere. */
  unpin(target: Target, pid: ProcessId): void {
    const lines = this.lines.get(target);
    const line = lines?.pinned.get(pid);
    if (lines === undefined || line === undefined) return;
    lines.pinned.delete(pid);
    for (const { tenant, heap } of line.byTenant.values()) {
      for (const place of heap.values()) {
        place.line = tenantLine(lines.shared, tenant);
        pushPlace(place);
      }
    }
    this.listener.onOffer(target);
  }

  private linesOf(target: Target): TargetLines {
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

function createLine(target: Target): Line {
  return {
    target,
    byTurn: new IndexedHeap(isBefore),
    byTenant: new Map(),
    counts: { interactive: 0, standard: 0, batch: 0 },
  };
}

/** Whose turn it is: the most urgent head, of equals that of whoever had no turn for longer. */
function isBefore(a: TenantLine, b: TenantLine): boolean {
  const [first, second] = [a.heap.peek(), b.heap.peek()];
  if (first === undefined || second === undefined) return first !== undefined;
  if (first.rank !== second.rank) return first.rank < second.rank;
  return a.servedAt === b.servedAt ? first.sequence < second.sequence : a.servedAt < b.servedAt;
}

function headOf(line: Line | undefined, except?: TenantId): Task | undefined {
  const first = line?.byTurn.peek();
  const next = first !== undefined && first.tenant === except ? line?.byTurn.second() : first;
  return next?.heap.peek()?.task;
}

/** For the place that is put into it at once. */
function tenantLine(line: Line, tenant: TenantId): TenantLine {
  const known = line.byTenant.get(tenant);
  if (known !== undefined) return known;
  const heap = new IndexedHeap<Place>((a, b) =>
    a.rank === b.rank ? a.sequence < b.sequence : a.rank < b.rank,
  );
  const made: TenantLine = { line, tenant, heap, servedAt: 0, index: -1 };
  line.byTenant.set(tenant, made);
  return made;
}

function pushPlace(place: Place): void {
  const { heap, line } = place.line;
  heap.push(place);
  line.counts[place.task.spec.class] += 1;
  // Behind others of its tenant it changes no turn.
  if (heap.peek() === place) putAnew(place.line);
}

function removePlace(place: Place): void {
  const { heap, line, tenant } = place.line;
  const wasHead = heap.peek() === place;
  heap.remove(place);
  line.counts[place.task.spec.class] -= 1;
  if (heap.size > 0) {
    if (wasHead) putAnew(place.line);
    return;
  }
  line.byTurn.remove(place.line);
  line.byTenant.delete(tenant);
}

/** Its head or its turn is another one: among the others it stands elsewhere. */
function putAnew(line: TenantLine): void {
  // A heap compares what stays in it, never what is taken out.
  line.line.byTurn.remove(line);
  line.line.byTurn.push(line);
}

function firstOf(
  lines: readonly TenantLine[],
  than: Place,
  most: number,
): readonly Place[] | undefined {
  const found: Place[] = [];
  for (const { heap } of lines) {
    const isBeforeIt = (other: Place): boolean =>
      other.rank === than.rank ? other.sequence < than.sequence : other.rank < than.rank;
    const places = heap.first(isBeforeIt, most - found.length);
    if (places === undefined) return undefined;
    found.push(...places);
  }
  return found;
}

/** Of another tenant's tasks: the more urgent ones, and of the equals as many as it has turns. */
function countBefore(
  { heap }: TenantLine,
  rank: number,
  { turns, most }: { readonly turns: number; readonly most: number },
): number | undefined {
  const before = heap.first((other) => other.rank < rank, most);
  if (before === undefined) return undefined;
  const bound = before.length + turns;
  const upToEquals = heap.first((other) => other.rank <= rank, bound);
  const count = upToEquals?.length ?? bound;
  return count > most ? undefined : count;
}

function pinnedLine(lines: TargetLines, target: Target, pid: ProcessId): Line {
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

/**
 * Class, then priority; where these are equal the tenants take turns, and of one tenant the oldest
 * goes first. What attempts cost has no part in it: a turn is a task.
 *
 * Turns are taken within a line, and only by who waits in it.
 *
 * - Q6 A tenant that comes anew stands behind all that wait: of equal tasks, each other tenant has
 *   at most one turn between two of one that waits, however often it comes.
 */
import type { Target, TaskClass, TenantId } from '@llmos/base';
import { MAX_PRIORITY, TASK_CLASSES, classRank, compareUrgency } from '@llmos/base';
import type { Task } from '../tasks/task';
import { ClassLines } from './class-lines';
import { IndexedHeap, type HeapEntry } from './indexed-heap';
import type { Ahead, PolicyLine, QueuePolicy, RequestLine, Standing } from './queue-policy';

/** A task in a line. What orders it stands here: behind the task, it would be far away in memory. */
interface RankedPlace extends HeapEntry {
  readonly task: Task;
  /** Of class and priority; the lowest first. */
  readonly rank: number;
  readonly sequence: number;
  readonly line: TurnLine;
  readonly ofTenant: TenantLine;
}

/** What waits of one tenant in a line; never empty. */
interface TenantLine extends HeapEntry {
  readonly tenant: TenantId;
  readonly heap: IndexedHeap<RankedPlace>;
  /** Larger the later it had its last turn, or came where it had none since. Of one count: unique. */
  servedAt: number;
}

const NO_TARGETS: readonly Target[] = [];

export class PriorityPolicy implements QueuePolicy {
  readonly classes = TASK_CLASSES;
  private turns = 0;

  standing({ spec }: Task): Standing {
    return spec;
  }

  isBefore(a: Standing, b: Standing): boolean {
    return compareUrgency(a, b) < 0;
  }

  /** Only tasks of lower classes are pushed aside. */
  mayPreempt({ spec }: Task): boolean {
    return spec.class !== TASK_CLASSES.at(-1);
  }

  createLine(target: Target): TurnLine {
    return new TurnLine(target, () => (this.turns += 1));
  }

  createRequestLine(): RequestLine {
    const lines = new ClassLines<Task>();
    return {
      sizeOf: (taskClass) => lines.waiting(taskClass),
      push: (task) => lines.push(task.spec, task),
      take: (mayGo) => {
        const first = lines.first(mayGo);
        return first === undefined ? undefined : lines.take(first);
      },
    };
  }

  /** Of its equals, others have as many turns as its own tenant until then. */
  ahead(place: RankedPlace, lines: readonly TurnLine[], most: number): Ahead | undefined {
    const { tenant } = place.ofTenant;
    const own = lines.flatMap((line) => line.of(tenant) ?? []);
    const before = firstOf(own, place, most);
    if (before === undefined) return undefined;
    const equals = before.filter(({ rank }) => rank === place.rank).length;
    let others = 0;
    for (const other of lines.flatMap((line) => line.tenants())) {
      if (other.tenant === tenant) continue;
      const left = most - before.length - others;
      const turns = own.some((mine) => hasTurnBefore(mine, other)) ? equals : equals + 1;
      const count = countBefore(other, place.rank, { turns, most: left });
      if (count === undefined) return undefined;
      others += count;
    }
    return { own: before.length, others };
  }

  charge(): readonly Target[] {
    return NO_TARGETS;
  }
}

class TurnLine implements PolicyLine {
  private readonly byTurn = new IndexedHeap<TenantLine>(hasTurnBefore);
  private readonly byTenant = new Map<TenantId, TenantLine>();
  private readonly counts: Record<TaskClass, number> = { interactive: 0, standard: 0, batch: 0 };

  /** @param nextTurn counts turns and comers of all lines: 2^53 of them are never reached. */
  constructor(
    readonly target: Target,
    private readonly nextTurn: () => number,
  ) {}

  of(tenant: TenantId): TenantLine | undefined {
    return this.byTenant.get(tenant);
  }

  tenants(): readonly TenantLine[] {
    return [...this.byTenant.values()];
  }

  places(): readonly RankedPlace[] {
    return this.tenants().flatMap(({ heap }) => heap.values());
  }

  add(task: Task): RankedPlace {
    const { sequence, tenant, class: taskClass } = task.spec;
    const ofTenant = this.tenantLine(tenant);
    const rank = rankOf(task);
    const place: RankedPlace = { task, rank, sequence, line: this, ofTenant, index: -1 };
    ofTenant.heap.push(place);
    this.counts[taskClass] += 1;
    // Behind others of its tenant it changes no turn.
    if (ofTenant.heap.peek() === place) this.putAnew(ofTenant);
    return place;
  }

  remove(place: RankedPlace): void {
    const { ofTenant, task } = place;
    const { heap, tenant } = ofTenant;
    const wasHead = heap.peek() === place;
    heap.remove(place);
    this.counts[task.spec.class] -= 1;
    if (heap.size > 0) {
      if (wasHead) this.putAnew(ofTenant);
      return;
    }
    this.byTurn.remove(ofTenant);
    this.byTenant.delete(tenant);
  }

  serve({ ofTenant }: RankedPlace): void {
    ofTenant.servedAt = this.nextTurn();
    this.putAnew(ofTenant);
  }

  head(except?: TenantId): Task | undefined {
    const first = this.byTurn.peek();
    const next = first !== undefined && first.tenant === except ? this.byTurn.second() : first;
    return next?.heap.peek()?.task;
  }

  countAbove({ spec }: Task): number {
    let count = 0;
    for (const each of TASK_CLASSES) {
      if (classRank(each) < classRank(spec.class)) count += this.counts[each];
    }
    return count;
  }

  /** For the place that is put into it at once. */
  private tenantLine(tenant: TenantId): TenantLine {
    const known = this.byTenant.get(tenant);
    if (known !== undefined) return known;
    const heap = new IndexedHeap<RankedPlace>((a, b) =>
      a.rank === b.rank ? a.sequence < b.sequence : a.rank < b.rank,
    );
    const made: TenantLine = { tenant, heap, servedAt: this.nextTurn(), index: -1 };
    this.byTenant.set(tenant, made);
    return made;
  }

  /** Its head or its turn is another one: among the others it stands elsewhere. */
  private putAnew(line: TenantLine): void {
    // A heap compares what stays in it, never what is taken out.
    this.byTurn.remove(line);
    this.byTurn.push(line);
  }
}

/** Orders as `isBefore` does. */
function rankOf({ spec }: Task): number {
  return classRank(spec.class) * (MAX_PRIORITY + 1) + MAX_PRIORITY - spec.priority;
}

/** Whose turn it is: the most urgent head, of equals that of whoever had no turn for longer. */
function hasTurnBefore(a: TenantLine, b: TenantLine): boolean {
  const [first, second] = [a.heap.peek(), b.heap.peek()];
  if (first === undefined || second === undefined) return first !== undefined;
  if (first.rank !== second.rank) return first.rank < second.rank;
  return a.servedAt === b.servedAt ? first.sequence < second.sequence : a.servedAt < b.servedAt;
}

function firstOf(
  lines: readonly TenantLine[],
  than: RankedPlace,
  most: number,
): readonly RankedPlace[] | undefined {
  const found: RankedPlace[] = [];
  for (const { heap } of lines) {
    const isBeforeIt = (other: RankedPlace): boolean =>
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

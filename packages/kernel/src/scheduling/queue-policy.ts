/**
 * The order of tasks, and the only place that knows one: which goes next to a process, which of two
 * goes first, what may push aside what runs, what is stored first. The run queue holds what waits
 * and where; dispatch, preemption, provisioning, sweeps and the request windows ask.
 *
 * A *line* is what waits for the same processes: that of a target, or of one process of it for keys
 * that are bound to it. The queue owns the lines and says what comes and goes; a policy owns the
 * order in them, and whatever it counts for that (turns, service received).
 *
 * - Q1 `isBefore` is a total order of the standings of live tasks: never equal, never in a circle.
 * - Q2 The head of a line is one of its tasks, and a line with tasks has one. With a tenant left
 *   out it is the head of what the others have in it.
 * - Q3 The order of what waits changes by `add`, `remove`, `serve` and `charge` alone, never by time
 *   or by being asked. So whoever remembers a head, and its standing, learns of the next one.
 * - Q4 Each call costs O(log n) of the tasks and tenants of its line; `charge` so much for each line
 *   in which the tenant waits, at most, and `ahead` what it counts.
 * - Q5 It is deterministic: the same calls give the same order, under every leader.
 */
import type { AttemptCost, Target, TaskClass, TenantId, Urgency } from '@llmos/base';
import type { Task } from '../tasks/task';

/** What orders a task among those of other lines, as it was when it was asked for: it stays so. */
export type Standing = Readonly<Urgency>;

export interface QueuePolicy {
  /** In which the tasks of a mass are gone through, the most urgent first. */
  readonly classes: readonly TaskClass[];
  /** Of one that waits, or runs. */
  standing(task: Task): Standing;
  isBefore(a: Standing, b: Standing): boolean;
  /** Whether it may push anything aside; false spares a look at all that runs. */
  mayPreempt(task: Task): boolean;
  createLine(target: Target): PolicyLine;
  createRequestLine(): RequestLine;
  /**
   * How many go before it in these lines, its own among them; undefined where more than so many.
   * An estimate for people: what comes meanwhile is not known.
   */
  ahead(place: Place, lines: readonly PolicyLine[], most: number): Ahead | undefined;
  /**
   * A running attempt of it has cost so much more, or one that has ended.
   *
   * @returns the targets whose head may be another one now.
   */
  charge(task: Task, more: AttemptCost): readonly Target[];
}

/** Whether `a` goes before `b`, as both stand now. */
export function goesBefore(policy: QueuePolicy, a: Task, b: Task): boolean {
  return policy.isBefore(policy.standing(a), policy.standing(b));
}

/** A task in a line, as its policy knows it again. */
export interface Place {
  readonly task: Task;
  readonly line: PolicyLine;
}

/** Written through the run queue only. */
export interface PolicyLine {
  readonly target: Target;
  /** The task must be in no line. */
  add(task: Task): Place;
  remove(place: Place): void;
  /** It is taken now, and removed right after: its tenant had its turn. */
  serve(place: Place): void;
  /** Which goes next, of anyone but that tenant. */
  head(except?: TenantId): Task | undefined;
  /** How many of the line may push aside what runs. */
  countAbove(running: Task): number;
  /** In no particular order. */
  places(): readonly Place[];
}

/** What waits to be asked of a store, in the order of the policy. */
export interface RequestLine {
  sizeOf(taskClass: TaskClass): number;
  push(task: Task): void;
  /** The next one of the classes that may go. */
  take(mayGo: (taskClass: TaskClass) => boolean): Task | undefined;
}

/** How many go before a task. */
export interface Ahead {
  /** Of its tenant. */
  readonly own: number;
  readonly others: number;
}

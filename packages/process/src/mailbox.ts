/**
 * The attempts that a process accepted and has not ended, and the one line in which they wait.
 *
 * An attempt is held from its `execute` to its end. It is *prepared* first (its body and what
 * earlier attempts streamed are read), then it *waits* until somebody who can run it *takes* it,
 * and it is *answered* by whoever took it.
 *
 *     offer → preparing → enqueue → waiting → take → taken → ended, answer → answered → remove
 *                                      └──────── withdraw ───────────────────────┘
 *
 * Two owners meet here. The process runtime writes what is held (`offer`, `remove`), puts into the
 * line what is prepared, and withdraws what is cancelled, given back or out of time while it waits.
 * The runner (a dispatcher of the host) only sees the `WaitingLine`: it pulls, whenever it has room,
 * what it can run now, and says how each ended. It keeps no list of what waits, and no order.
 *
 * - M1: an attempt is held once, whatever is repeated.
 * - M2: of a task only the highest attempt seen is accepted.
 * - M3: at most `capacity` tasks are held: permits, and a few that a new leader may count otherwise.
 * - M4: what waits stands in the one line and nowhere else, sorted by the one `WaitingOrder`.
 * - M5: what leaves the line is taken or withdrawn, never both: the runner may rely on it that
 *   nobody else answers what it took, the runtime that what it withdrew never runs.
 * - M6: each is answered once; the first answer counts. What was taken counts as running for its
 *   tenant until it ended, which may be some moments before its answer is given.
 *
 * No I/O and no clock.
 */
import type { AttemptRef, AttemptSpec } from '@llmos/base';
import type { Attempt, HandlerAnswer } from './attempt';
import { attemptId, refOf, taskIdOf } from './attempt';
import type { Ranked, WaitingOrder } from './waiting-order';

export type OfferOutcome =
  /** `replaces`: a lower attempt of the same task that must stop. */
  | { readonly kind: 'accepted'; readonly replaces?: AttemptRef }
  /** Held already: accept it again, the first answer may be lost. */
  | { readonly kind: 'duplicate' }
  /** A higher attempt of this task is here. */
  | { readonly kind: 'superseded' }
  /** Not accepted: the kernel repeats it later. */
  | { readonly kind: 'full' };

/** An attempt that is prepared, as a runner sees it. */
export interface WaitingAttempt extends Ranked {
  readonly attempt: Attempt;
  readonly function: string;
  /** Of its body. */
  readonly bytes: number;
  readonly waitsSinceMs: number;
}

/** What the runner may do with the mailbox. */
export interface WaitingLine {
  readonly waitingCount: number;
  /** What waits and `may` run, the next one first; right until the line changes. */
  inOrder(may?: (waiting: WaitingAttempt) => boolean): readonly WaitingAttempt[];
  /** It waits no longer; whoever takes it owes it one answer (M5). */
  take(waiting: WaitingAttempt): void;
  /** One that was taken runs no more: its tenant has one less. Its answer may come later. */
  ended(waiting: WaitingAttempt): void;
  /** Of one that was taken; if it has not ended yet, it has now. */
  answer(waiting: WaitingAttempt, answer: HandlerAnswer): void;
  /** For what runs already and may be interrupted. */
  readonly order: Pick<WaitingOrder, 'compare' | 'mayInterrupt' | 'isGuest'>;
}

/** Every `WaitingAttempt` is one of these: only the mailbox makes them. */
interface Entry extends WaitingAttempt {
  state: 'waiting' | 'taken' | 'ended' | 'answered';
  readonly give: (answer: HandlerAnswer) => void;
}

export class Mailbox implements WaitingLine {
  /** From attempt id. */
  private readonly held = new Map<string, AttemptSpec>();
  /** Task → its attempt here. */
  private readonly byTask = new Map<string, AttemptRef>();
  /** Sorted by the order's `compare`. */
  private readonly line: Entry[] = [];

  constructor(
    private readonly capacity: number,
    readonly order: WaitingOrder,
  ) {}

  get size(): number {
    return this.held.size;
  }

  get waitingCount(): number {
    return this.line.length;
  }

  offer(spec: AttemptSpec): OfferOutcome {
    if (this.held.has(attemptId(spec))) return { kind: 'duplicate' };
    const other = this.byTask.get(taskIdOf(spec));
    if (other !== undefined && other.attempt > spec.attempt) return { kind: 'superseded' };
    if (other === undefined && this.held.size >= this.capacity) return { kind: 'full' };
    this.held.set(attemptId(spec), spec);
    this.byTask.set(taskIdOf(spec), refOf(spec));
    return other === undefined ? { kind: 'accepted' } : { kind: 'accepted', replaces: other };
  }

  /** Forgets an attempt that ended. */
  remove(ref: AttemptRef): void {
    if (!this.held.delete(attemptId(ref))) return;
    if (this.byTask.get(taskIdOf(ref))?.attempt === ref.attempt) this.byTask.delete(taskIdOf(ref));
  }

  refs(): AttemptRef[] {
    return this.specs().map(refOf);
  }

  specs(): AttemptSpec[] {
    return [...this.held.values()];
  }

  /** It is prepared, and waits from now on. @param give is called once, with its answer (M6). */
  enqueue(attempt: Attempt, nowMs: number, give: Entry['give']): WaitingAttempt {
    const { tenant, class: taskClass, priority, sequence, function: name } = attempt.spec;
    const entry: Entry = {
      ...{ attempt, tenant, class: taskClass, priority, sequence, function: name },
      ...{ bytes: attempt.body.length, waitsSinceMs: nowMs },
      ...{ state: 'waiting', give },
    };
    this.insert(entry);
    return entry;
  }

  /** Answers it where it still waits; what was taken is its runner's. */
  withdraw(waiting: WaitingAttempt, answer: HandlerAnswer): void {
    const entry = waiting as Entry;
    if (entry.state !== 'waiting') return;
    this.leaveLine(entry, 'answered');
    entry.give(answer);
  }

  inOrder(may?: (waiting: WaitingAttempt) => boolean): readonly WaitingAttempt[] {
    return this.order.inOrder(may === undefined ? this.line.slice() : this.line.filter(may));
  }

  take(waiting: WaitingAttempt): void {
    const entry = waiting as Entry;
    if (entry.state !== 'waiting') throw new Error('what is taken must wait');
    this.order.began(entry);
    this.leaveLine(entry, 'taken');
  }

  ended(waiting: WaitingAttempt): void {
    const entry = waiting as Entry;
    if (entry.state !== 'taken') return;
    entry.state = 'ended';
    this.order.ended(entry);
  }

  answer(waiting: WaitingAttempt, answer: HandlerAnswer): void {
    const entry = waiting as Entry;
    this.ended(entry);
    if (entry.state !== 'ended') return;
    entry.state = 'answered';
    entry.give(answer);
  }

  private insert(entry: Entry): void {
    let low = 0;
    let high = this.line.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.order.compare(this.line[middle] as Entry, entry) <= 0) low = middle + 1;
      else high = middle;
    }
    this.line.splice(low, 0, entry);
  }

  private leaveLine(entry: Entry, state: Entry['state']): void {
    entry.state = state;
    this.line.splice(this.line.indexOf(entry), 1);
    if (this.line.length === 0) this.order.emptied();
  }
}

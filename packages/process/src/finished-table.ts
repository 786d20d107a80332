/**
 * Attempts that ended here, until the leader confirms that it knows (W2 and W3 of
 * process-protocol.ts, the process's side).
 *
 * One writer: the process runtime. The leader owns the truth about a task; this table only makes
 * sure that it hears of each end, whichever messages are lost.
 *
 * - F1: an end is due at once, and again with backoff, until it is confirmed. A new leader hears
 *   all that are not.
 * - F2: an `execute` of an attempt that ended is answered with its end again, and not run: a leader
 *   repeats what it has no answer to.
 * - F3: a confirmed end is remembered for the epoch that confirmed it, and for a bounded number of
 *   later ends: a delayed `execute` of that leader must not run it again. Another leader may ask
 *   for it, since it can be one that never heard of the end; the store then decides which result
 *   counts.
 * - F4: both tables are bounded. What is dropped unconfirmed is missing from the heartbeats, and
 *   that is how the leader finds it.
 */
import type { AttemptRef, BackoffPolicy, Epoch, FinishedAttempt } from '@llmos/base';
import { RecentMap, backoffMs } from '@llmos/base';
import { attemptId, refOf } from './attempt';

interface Unconfirmed extends FinishedAttempt {
  sends: number;
  nextSendAtMs: number;
}

interface Confirmed extends FinishedAttempt {
  readonly epoch: Epoch;
}

export interface FinishedTableOptions {
  readonly maxUnconfirmed: number;
  readonly maxConfirmed: number;
  readonly resend: BackoffPolicy;
}

export class FinishedTable {
  private readonly unconfirmed = new Map<string, Unconfirmed>();
  private readonly confirmed: RecentMap<string, Confirmed>;

  constructor(private readonly options: FinishedTableOptions) {
    this.confirmed = new RecentMap(options.maxConfirmed);
  }

  get unconfirmedCount(): number {
    return this.unconfirmed.size;
  }

  /** F1. Returns the oldest end where it had to be dropped for this one (F4). */
  add(finished: FinishedAttempt, nowMs: number): FinishedAttempt | undefined {
    const id = attemptId(finished.ref);
    const sent = { sends: 0, nextSendAtMs: nowMs };
    this.unconfirmed.set(id, Object.assign(endOf(finished), sent));
    if (this.unconfirmed.size <= this.options.maxUnconfirmed) return undefined;
    return dropOldest(this.unconfirmed);
  }

  /** The ends to send now; each is counted as sent. */
  takeDue(nowMs: number): FinishedAttempt[] {
    const due: FinishedAttempt[] = [];
    for (const entry of this.unconfirmed.values()) {
      if (entry.nextSendAtMs > nowMs) continue;
      entry.sends += 1;
      entry.nextSendAtMs = nowMs + backoffMs(this.options.resend, entry.sends);
      due.push(endOf(entry));
    }
    return due;
  }

  /** F1, for a new leader. */
  makeAllDue(nowMs: number): void {
    for (const entry of this.unconfirmed.values()) {
      entry.sends = 0;
      entry.nextSendAtMs = nowMs;
    }
  }

  confirm(ref: AttemptRef, epoch: Epoch): void {
    const id = attemptId(ref);
    const entry = this.unconfirmed.get(id);
    if (entry === undefined) return;
    this.unconfirmed.delete(id);
    this.confirmed.set(id, Object.assign(endOf(entry), { ref: refOf(ref), epoch }));
  }

  /**
   * Whether an `execute` of this epoch asks for an attempt that ended here: its end is due again
   * (F2). A confirmed one is forgotten for another epoch, and so may run again (F3).
   */
  recall(ref: AttemptRef, epoch: Epoch, nowMs: number): boolean {
    const id = attemptId(ref);
    const open = this.unconfirmed.get(id);
    if (open !== undefined) {
      open.nextSendAtMs = nowMs;
      return true;
    }
    const closed = this.confirmed.get(id);
    if (closed === undefined) return false;
    this.confirmed.delete(id);
    if (closed.epoch !== epoch) return false;
    this.add(endOf(closed), nowMs);
    return true;
  }

  refs(): AttemptRef[] {
    return [...this.unconfirmed.values()].map((entry) => entry.ref);
  }
}

function endOf({ ref, outcome, cost }: FinishedAttempt): FinishedAttempt {
  return cost === undefined ? { ref, outcome } : { ref, outcome, cost };
}

function dropOldest<Entry>(table: Map<string, Entry>): Entry | undefined {
  for (const [id, entry] of table) {
    table.delete(id);
    return entry;
  }
  return undefined;
}

/**
 * Attempts that ended here, until the leader confirms that it knows.
 *
 * Reports can be lost, so an end is repeated with backoff until confirmed. Confirmed ends stay
 * remembered for a while, because a delayed `execute` must not run such an attempt again; another
 * leader may ask for it, since it can be one that never heard of the end.
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

  /** Due at once. Returns the oldest end where it had to be dropped for this one. */
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

  /** A new leader has to hear all of them. */
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
   * Whether an `execute` of this epoch asks for an attempt that ended here. If so, its end is due
   * again. A confirmed one is forgotten for another epoch, and so may run again.
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

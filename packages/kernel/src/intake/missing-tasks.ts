/**
 * Which tasks of the stream no consumer brings, decided by counting: what is stored, and neither
 * delivered nor waiting in the line of a class. Sole writer of its counts. Reading the stream is
 * the adapter's (SkippedTasks), which walks it, step by step, where this says so.
 *
 * - P1 Only what its consumer has passed. The stream is walked only where something is missing, and
 *   in it only what is not held: never what merely waits in line.
 * - P2 Each is seen twice, a look apart: an acknowledgement or a delivery may be on its way.
 * - P3 What is missing for another reason is counted as explained once a whole walk found no more;
 *   what is known to leave the stream is counted as that for as long as somebody sees to it.
 * - P4 Walks that change nothing come ever more rarely: something that can't end costs a walk of the
 *   stream now and then, not all the time.
 */
import type { BackoffPolicy, TaskClass } from '@llmos/base';
import { backoffMs } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';

export interface StreamReading {
  readonly messages: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** What the consumer of a class has delivered. */
export interface LineReading {
  readonly class: TaskClass;
  readonly unacknowledged: number;
  /** Not delivered yet. */
  readonly waiting: number;
  readonly deliveredSequence: number;
}

export interface Reach {
  /** Messages that no consumer has delivered or will; never more than there are. */
  readonly missing: number;
  /** How far each class was delivered. */
  readonly passed: ReadonlyMap<TaskClass, number>;
  readonly firstSequence: number;
  /** Where the walk ends. */
  readonly lastSequence: number;
  readonly isLineEmpty: boolean;
}

const WALK_AGAIN: BackoffPolicy = {
  firstMs: EDGE_LIMITS.skippedLookMs,
  factor: 2,
  maxMs: EDGE_LIMITS.strayLookMs,
};

/** What comes or ends between the readings makes fewer seem to be missing, never more. */
export function reachOf(of: {
  readonly before: StreamReading;
  readonly lines: readonly LineReading[];
  readonly after: StreamReading;
}): Reach {
  const { before, lines, after } = of;
  const sum = (count: (line: LineReading) => number): number =>
    lines.reduce((total, line) => total + count(line), 0);
  const inLine = sum((line) => line.waiting);
  const delivered = sum((line) => line.unacknowledged);
  const meanwhile = after.lastSequence - before.lastSequence;
  const lastDelivered = Math.max(0, ...lines.map((line) => line.deliveredSequence));
  return {
    missing: after.messages - meanwhile - delivered - inLine,
    passed: new Map(
      lines.map((line) => [
        line.class,
        line.waiting === 0 ? before.lastSequence : line.deliveredSequence,
      ]),
    ),
    firstSequence: after.firstSequence,
    lastSequence: inLine === 0 ? before.lastSequence : lastDelivered,
    isLineEmpty: inLine === 0,
  };
}

export class MissingTasks {
  /** Where the walk goes on; a long one takes several looks. */
  private next = 1;
  /** Seen once, and not taken in. */
  readonly suspects = new Map<number, TaskClass>();
  private readonly takenIn = new Set<number>();
  /** As many are missing for another reason (P3). */
  private explained = 0;
  /** Seen by the present walk and of no class, which leave the stream. */
  private leaving = 0;
  /** Walks in a row after which as many were missing as before. */
  private fruitless = 0;
  private missedLast = 0;

  hasTakenIn(sequence: number): boolean {
    return this.takenIn.has(sequence);
  }

  /** A suspect was taken in, or is none any more. */
  settle(sequence: number, outcome: 'taken-in' | 'gone'): void {
    this.suspects.delete(sequence);
    if (outcome === 'taken-in') this.takenIn.add(sequence);
  }

  /** Its message was deleted, or acknowledged after all. */
  noteGone(sequence: number): void {
    this.takenIn.delete(sequence);
  }

  /**
   * Whether the stream is to be walked now.
   *
   * @param seenTo strays that somebody is about to end.
   */
  judge(reach: Reach, seenTo: number): 'walk' | 'look-soon' | 'quiet' {
    const seen = this.suspects.size;
    const missing = reach.missing - this.takenIn.size - seen - seenTo;
    this.explained = Math.max(0, Math.min(this.explained, missing));
    if (missing <= this.explained) {
      this.next = 1;
      this.fruitless = 0;
      return reach.isLineEmpty && seen === 0 ? 'quiet' : 'look-soon';
    }
    if (missing + seen + seenTo !== this.missedLast) this.fruitless = 0;
    if (this.next === 1) this.leaving = 0;
    this.next = Math.max(this.next, reach.firstSequence);
    return 'walk';
  }

  /** Passes over what is held; undefined where the walk has come to its end. */
  step(reach: Reach, isHeld: (sequence: number) => boolean): number | undefined {
    while (isHeld(this.next) || this.takenIn.has(this.next)) this.next += 1;
    return this.next > reach.lastSequence ? undefined : this.next;
  }

  /** @param taskClass undefined: of none; `leaves` where it will leave the stream. */
  see(
    of: { readonly sequence: number; readonly class: TaskClass | undefined; leaves?: boolean },
    reach: Reach,
    isHeld: (sequence: number) => boolean,
  ): void {
    this.next = of.sequence + 1;
    if (of.class === undefined) {
      if (of.leaves === true) this.leaving += 1;
      return;
    }
    const isPassed = of.sequence <= (reach.passed.get(of.class) ?? 0);
    if (!isPassed || isHeld(of.sequence) || this.takenIn.has(of.sequence)) return;
    this.suspects.set(of.sequence, of.class);
  }

  /**
   * The walk came to its end. While a line is left, it ends where that begins and goes on from
   * there.
   */
  endWalk(reach: Reach): void {
    const missing = reach.missing - this.takenIn.size;
    const isAsBefore = this.leaving > 0 && missing === this.missedLast;
    this.fruitless = isAsBefore ? this.fruitless + 1 : 0;
    this.missedLast = missing;
    if (!reach.isLineEmpty) return;
    this.next = 1;
    this.explained = Math.max(0, missing - this.suspects.size - this.leaving);
  }

  /** How long until the next look. */
  pauseMs(judged: 'walk' | 'look-soon' | 'quiet'): number {
    if (judged === 'quiet') return EDGE_LIMITS.strayLookMs;
    const isFruitless = judged === 'walk' && this.fruitless > 0;
    return isFruitless ? backoffMs(WALK_AGAIN, this.fruitless) : EDGE_LIMITS.skippedLookMs;
  }
}

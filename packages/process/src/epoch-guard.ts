/**
 * Which epoch is the leader's: what the leader's record said last, and nothing that a message says.
 *
 * Pure. G1: a message of another epoch than the known one is believed only after the record was
 * read. G2: the record is read once in `lookMs` at most, whatever comes in. G3: the record's word
 * counts in both directions: a bucket that was begun anew counts its revisions from 1.
 */
import type { Epoch } from '@llmos/base';
import { asEpoch } from '@llmos/base';

export type EpochVerdict =
  | 'current'
  /** Read the record, `learn`, and `settle` it. */
  | 'unknown'
  | EpochRefusal;

export type EpochRefusal =
  /** Of a leader that was replaced. */
  | 'stale'
  /** Above that of the leader: there never was such a one. */
  | 'foreign'
  /** Of another than the known leader, and the record did not say who leads. */
  | 'unverified';

export class EpochGuard {
  private known = asEpoch(0);
  private lookAgainAtMs = Number.NEGATIVE_INFINITY;
  private isTold = true;

  constructor(private readonly lookMs: number) {}

  /** 0 before the first record was read. */
  get epoch(): Epoch {
    return this.known;
  }

  judge(epoch: number): EpochVerdict {
    if (!Number.isSafeInteger(epoch) || epoch < 1) return 'foreign';
    return epoch === this.known ? 'current' : 'unknown';
  }

  /** How long to wait before the record is read again (G2). */
  lookInMs(nowMs: number): number {
    return Math.max(0, this.lookAgainAtMs - nowMs);
  }

  /** Of a message that came before the record was read. */
  settle(epoch: number): 'current' | EpochRefusal {
    if (epoch === this.known) return 'current';
    if (!this.isTold) return 'unverified';
    return epoch < this.known ? 'stale' : 'foreign';
  }

  /**
   * What the record says now; undefined where there is none that a kernel can have written, or it
   * could not be read. True where the leader is another one than before.
   */
  learn(epoch: Epoch | undefined, nowMs: number): boolean {
    this.lookAgainAtMs = nowMs + this.lookMs;
    this.isTold = epoch !== undefined;
    if (epoch === undefined || epoch === this.known) return false;
    this.known = epoch;
    return true;
  }
}

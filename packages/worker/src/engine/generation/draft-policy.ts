/**
 * How many tokens to guess for one sequence, by how its guesses went. Pure, and a function of the
 * counts alone, so it never makes two runs of one generation differ.
 *
 * A run that verifies guesses costs more than one for a single token; what it gains is the tokens
 * that were right. The policy starts with few, doubles while all are right, and stops where the
 * gain, averaged over the last runs, is below the cost. It tries again, first soon, then rarely.
 */
import { ENGINE_LIMITS } from '../limits';

export interface DraftPolicyOptions {
  /** Guesses for one run at most. */
  readonly maxDraft?: number;
  /** What a guess adds to the time of a run, as a share of a run for one token. Default 0.08. */
  readonly costPerDraft?: number;
}

/** Measured: 0.03 to 0.07 on a CPU, of 3 to 100 million parameters, and the choice of a token. */
const COST_PER_DRAFT = 0.08;
const FIRST_DRAFT = 2;
/** Weight of the latest run in the average gain. */
const NEWEST_SHARE = 0.25;
/** Gain per run that is assumed at the start: two or three bad runs end it. */
const FIRST_GAIN = 0.3;
const FIRST_PAUSE = 8;
const LONGEST_PAUSE = 256;

export class DraftPolicy {
  private readonly maxDraft: number;
  private readonly costPerDraft: number;
  private length = FIRST_DRAFT;
  /** Tokens that a run with guesses gives beyond what it costs, on average. */
  private gain = FIRST_GAIN;
  private pause = FIRST_PAUSE;
  private pausedFor = 0;

  constructor(options: DraftPolicyOptions = {}) {
    this.maxDraft = options.maxDraft ?? ENGINE_LIMITS.maxDraftTokens;
    this.costPerDraft = options.costPerDraft ?? COST_PER_DRAFT;
    this.length = Math.min(FIRST_DRAFT, this.maxDraft);
  }

  /** Tokens to guess for the next run; 0: none. Call once for each run. */
  next(): number {
    if (this.pausedFor === 0) return this.length;
    this.pausedFor -= 1;
    return 0;
  }

  /** What became of a run's guesses. A run for which nothing was found says nothing. */
  record(drafted: number, accepted: number): void {
    if (drafted === 0) return;
    const gain = accepted - drafted * this.costPerDraft;
    this.gain += NEWEST_SHARE * (gain - this.gain);
    if (this.gain < 0) {
      this.stop();
      return;
    }
    if (accepted < drafted) {
      this.length = Math.max(1, accepted);
      return;
    }
    // It pays again: a later pause is short again.
    this.pause = FIRST_PAUSE;
    this.length = Math.min(this.maxDraft, Math.max(this.length, 2 * drafted));
  }

  private stop(): void {
    this.pausedFor = this.pause;
    this.pause = Math.min(LONGEST_PAUSE, 2 * this.pause);
    this.gain = 0;
    this.length = Math.min(FIRST_DRAFT, this.maxDraft);
  }
}

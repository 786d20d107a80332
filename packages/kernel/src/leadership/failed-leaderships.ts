/**
 * Remembers why leaderships of this kernel failed, one after the other, and how long it stays away
 * after each: what makes the second fail like the first, as a limit of the account does, would
 * otherwise be met, logged and written to the lease for ever at full speed.
 */
import { EDGE_LIMITS } from '../edge-limits';

export class FailedLeaderships {
  private count = 0;
  private lastReason: string | undefined;

  constructor(private readonly options: { readonly leaseMs: number }) {}

  /** Why the last one failed; undefined once one has gone well. */
  get reason(): string | undefined {
    return this.lastReason;
  }

  /** Answers how long others go first; the first time as long as after any lease given up. */
  note(error: unknown): number {
    this.lastReason = error instanceof Error ? error.message : String(error);
    this.count += 1;
    const firstMs = 2 * this.options.leaseMs;
    const waitMs = firstMs * 2 ** Math.min(this.count - 1, 16);
    return Math.max(firstMs, Math.min(waitMs, EDGE_LIMITS.maxFailedWaitMs));
  }

  /** One has begun. */
  clear(): void {
    this.count = 0;
    this.lastReason = undefined;
  }
}

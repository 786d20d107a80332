/** What a generating thread did since its start. */
import type { ContextCounts } from '../../actors/thread-protocol';

type Totals = Pick<
  ContextCounts,
  | 'switches'
  | 'steps'
  | 'stepMs'
  | 'runMs'
  | 'decodedTokens'
  | 'prefilledTokens'
  | 'draftedTokens'
  | 'acceptedTokens'
>;

export class ContextMeter {
  switches = 0;
  decodedTokens = 0;
  prefilledTokens = 0;
  draftedTokens = 0;
  acceptedTokens = 0;
  private steps = 0;
  private stepMs = 0;

  /** @param runMs time inside the model's runs so far. */
  constructor(private readonly runMs: () => number) {}

  addStep(durationMs: number): void {
    this.steps += 1;
    this.stepMs += durationMs;
  }

  counts(): Totals {
    return {
      switches: this.switches,
      steps: this.steps,
      stepMs: this.stepMs,
      runMs: this.runMs(),
      decodedTokens: this.decodedTokens,
      prefilledTokens: this.prefilledTokens,
      draftedTokens: this.draftedTokens,
      acceptedTokens: this.acceptedTokens,
    };
  }
}

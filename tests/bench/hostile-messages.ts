/** What the bench of a hostile tenant says to its two children, and what they answer. */
export const ATTACK_KINDS = [
  'refused-published',
  'refused-calls',
  'refused-sys',
  'huge-batch',
  'huge-standard',
  'huge-interactive',
  'asks',
  'callers',
  'readers',
] as const;
export type AttackKind = (typeof ATTACK_KINDS)[number];

export type ToAttacker =
  | { readonly say: 'attack'; readonly kind: AttackKind; readonly perSecond: number }
  | { readonly say: 'stop' };

/** The answer to `stop`: what it sent, and what it heard by code. */
export interface AttackCounts {
  readonly sent: number;
  readonly heard: Readonly<Record<string, number>>;
}

/** Undefined: what is sent from now on counts for nothing. */
export type Phase = 'quiet' | 'attacked' | undefined;

export type ToVictim =
  | { readonly say: 'phase'; readonly phase: Phase }
  /** Answered with all that was measured so far. */
  | { readonly say: 'report' };

export interface VictimReport {
  /** By phase and function, in milliseconds from the moment at which the call was due. */
  readonly latenciesMs: Readonly<Record<string, readonly number[]>>;
  /** By phase, function and code: calls that had no answer, or another one. */
  readonly failures: Readonly<Record<string, number>>;
}

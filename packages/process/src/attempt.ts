/** One try of a task, as its handler sees it. */
import type {
  AttemptCost,
  AttemptRef,
  AttemptSpec,
  CancelReason,
  ErrorBody,
  GenerateChunk,
} from '@llmos/base';

/** What decides where a result is stored, and what is stored with it. */
export type ResultOwner = Pick<
  AttemptSpec,
  'tenant' | 'task' | 'attempt' | 'function' | 'keepMs' | 'digest'
>;

/** Why an attempt must stop. REPLACED: as ABORTED, but found out here. */
export type StopReason = CancelReason | 'REPLACED';

/** All that a generation has so far, tokens that it resumed after included. */
export interface GenerationState {
  readonly tokens: readonly number[];
  /** What a reader has seen of them. */
  readonly text: string;
}

/** What a handler works on. */
export interface Attempt {
  readonly spec: AttemptSpec;
  readonly body: Uint8Array;
  /** Aborts with a StopReason as its reason; the handler then ends as soon as it can. */
  readonly signal: AbortSignal;
  /**
   * Aborts where the attempt should be given back. A handler that can go on later answers
   * `preempted` as soon as it can; one that can't, or that is nearly through, just ends as always.
   */
  readonly preemption: AbortSignal;
  /** Tokens that earlier attempts stored: go on after them. Empty for a fresh start. */
  readonly resumeTokens: readonly number[];
  /** Of the encoded result: a longer one can't be committed. */
  readonly maxResultBytes: number;
  /** What it has cost so far, again and again as it grows: for the kernel, which charges it. */
  tellCost(soFar: AttemptCost): void;
  /** Streams tokens to readers; ignored unless the function streams and the task asked for it. */
  emitChunk(chunk: GenerateChunk): void;
}

/**
 * What a handler answers: the encoded result that is committed, or an error. An `answered` whose
 * error is retryable is not committed: the kernel decides about another attempt. A suspect is one
 * of several that ran together when one of them, nobody can tell which, ended them all: its error
 * is retryable, and it runs alone the next time. A `preempted` one says what it made so far, so
 * that the next attempt can go on from there.
 */
export type HandlerAnswer =
  | {
      readonly kind: 'answered';
      readonly result: Uint8Array;
      readonly error?: Pick<ErrorBody, 'code' | 'retryable' | 'message'>;
    }
  | { readonly kind: 'failed'; readonly error: ErrorBody; readonly isSuspect?: true }
  | { readonly kind: 'preempted'; readonly state: GenerationState };

/** Of one that was not begun. */
export const GIVEN_BACK: HandlerAnswer = { kind: 'preempted', state: { tokens: [], text: '' } };

/** Throwing is the same as answering `failed` with the thrown error's body. */
export type AttemptHandler = (attempt: Attempt) => Promise<HandlerAnswer>;

/** Identifies an attempt inside one process; a space can't occur in a token. */
export function attemptId(ref: AttemptRef): string {
  return `${ref.tenant} ${ref.task} ${ref.attempt}`;
}

export function taskIdOf(ref: AttemptRef): string {
  return `${ref.tenant} ${ref.task}`;
}

export function refOf(spec: AttemptRef): AttemptRef {
  return { tenant: spec.tenant, task: spec.task, attempt: spec.attempt };
}

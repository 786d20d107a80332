/**
 * What a leader and a process say to each other about attempts, as facts; the bytes are made and
 * read in `packages/wire` (`process-codec.ts`).
 *
 * The leader writes to the mailbox of a process, the process reports. Core NATS both ways: any
 * message may be lost, late or doubled. So
 * - W1: a command names the epoch of its leader and the incarnation that it is for; a process
 *   obeys the epoch of the leader's record alone, and ignores what is for another incarnation;
 * - W2: a command may be repeated: an attempt is identified by tenant, task and number, and one
 *   that runs or has ended is not run again for the same leader;
 * - W3: an end is reported until the leader confirms it; what is running is in every heartbeat, so
 *   the leader repeats what is missing there;
 * - W4: times go as what is left or has passed when they are sent: two clocks are never compared.
 */
import type { AttemptCost } from './attempt-cost';
import type { ErrorBody } from './errors';
import type { FlowName, FunctionName, TaskId, TaskKey, TenantId } from './ids';
import type { TaskClass } from './task-class';
import type { BodyFormat } from './task-headers';

/** One try of a task. */
export interface AttemptRef {
  readonly tenant: TenantId;
  readonly task: TaskId;
  readonly attempt: number;
}

/** All that a process must know to run an attempt. */
export interface AttemptSpec extends AttemptRef {
  readonly function: FunctionName;
  readonly class: TaskClass;
  readonly priority: number;
  /** Of the message in LLMOS_TASKS. */
  readonly sequence: number;
  /** By the clock of whoever holds it; Infinity where there is none. */
  readonly deadlineAtMs: number;
  /** When the task was stored, by the same clock; absent where the kernel does not say. */
  readonly storedAtMs?: number | undefined;
  readonly stream: boolean;
  readonly format: BodyFormat;
  readonly root: TaskId;
  readonly key?: TaskKey | undefined;
  readonly model?: string | undefined;
  readonly traceparent?: string | undefined;
  /** Llmos-Keep-Ms; absent: as long as results are kept. */
  readonly keepMs?: number | undefined;
  /** Of the body, where the client chose the id. */
  readonly digest?: string | undefined;
  readonly flow?: FlowName | undefined;
  readonly notBeforeWallMs?: number | undefined;
  /** Absent: read it from LLMOS_TASKS by sequence. */
  readonly body?: Uint8Array | undefined;
}

/** ABORTED: the kernel knows of a newer attempt: say nothing and commit nothing. */
export type CancelReason = 'CANCELLED' | 'DEADLINE_EXCEEDED' | 'ABORTED';

export type MailboxCommand =
  | { readonly kind: 'execute'; readonly spec: AttemptSpec }
  | { readonly kind: 'cancel'; readonly attempt: AttemptRef; readonly reason: CancelReason }
  /** Give it back at the next token, to go on later. */
  | { readonly kind: 'preempt'; readonly attempt: AttemptRef }
  /** The leader knows of these ends: they need not be told any more. */
  | { readonly kind: 'confirm'; readonly attempts: readonly AttemptRef[] }
  /** Asks for a heartbeat at once. */
  | { readonly kind: 'hello' };

export interface MailboxMessage {
  /** Of the leader that sends it. */
  readonly epoch: number;
  /** Of the process that it is for. */
  readonly incarnation: number;
  readonly command: MailboxCommand;
}

/** How an attempt ended, other than given back. */
export type AttemptEnd =
  /** The result is stored: this attempt's, or one that was there already. */
  | { readonly kind: 'committed'; readonly ok: boolean; readonly errorCode?: string }
  /** Nothing was stored. Suspect: one of several that ran together ended them all. */
  | { readonly kind: 'failed'; readonly error: ErrorBody; readonly isSuspect?: true }
  /** By a cancel, or a deadline; nothing was stored. */
  | { readonly kind: 'stopped'; readonly reason: string };

/** Preempted: given back, the kernel runs it later, here or elsewhere. */
export type AttemptOutcome = AttemptEnd | { readonly kind: 'preempted' };

export interface FinishedAttempt {
  readonly ref: AttemptRef;
  readonly outcome: AttemptOutcome;
  /** All that it cost; absent where its handler said nothing. */
  readonly cost?: AttemptCost;
}

export interface ProcessHeartbeat {
  /** Accepted and not finished, or finished and not confirmed. */
  readonly running: readonly AttemptRef[];
  /** Of the first of `running`, in their order; undefined: nothing yet. */
  readonly costs: readonly (AttemptCost | undefined)[];
  /** Of the leader that it obeys; 0 before it has heard of one. */
  readonly epoch: number;
  /** Commands that it refused so far, because no leader had their epoch. */
  readonly foreign: number;
}

/** What a process tells the leader, the facts in their order. */
export interface AttemptReport {
  readonly accepted: readonly AttemptRef[];
  readonly finished: readonly FinishedAttempt[];
  readonly heartbeat?: ProcessHeartbeat;
}

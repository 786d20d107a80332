/**
 * Everything the core can want from the world. One union: the core's whole output.
 *
 * The control loop carries decisions out in order. Those that answer come back as an event, named
 * here; the core repeats or times out what must not be lost.
 */
import type {
  AttemptRef,
  CancelReason,
  ErrorBody,
  NodeId,
  ProcessId,
  Result,
  Target,
  TaskClass,
  TaskId,
  TenantId,
} from '@llmos/base';
import type { KernelFact } from './kernel-fact';
import type {
  AttemptFailure,
  AttemptRecord,
  CommitKind,
  ResultOwner,
  TaskSpec,
} from './tasks/task-spec';

/** The address of one started process. */
export interface ProcessAddress {
  readonly nodeId: NodeId;
  readonly pid: ProcessId;
  readonly incarnation: number;
}

export type KernelDecision =
  // Tasks.
  /** Is there a result, and how many attempts were made? Answer: result-looked-up. */
  | { readonly kind: 'look-up-result'; readonly spec: TaskSpec }
  /** Write llmos_attempts before attempt 2 and later. Answer: attempt-recorded. */
  | ({ readonly kind: 'record-attempt'; readonly spec: TaskSpec } & AttemptRecord)
  /** Send to the mailbox; the core repeats it until accepted. */
  | {
      readonly kind: 'execute';
      readonly to: ProcessAddress;
      readonly spec: TaskSpec;
      readonly attempt: number;
      /** When the attempt must have ended. */
      readonly deadlineWallMs: number;
      /** How long the task had waited, where this is the first execute of all. */
      readonly queuedMs?: number;
    }
  | {
      readonly kind: 'cancel-attempt';
      readonly to: ProcessAddress;
      readonly attempt: AttemptRef;
      /** ABORTED: another attempt replaced this one; it must commit nothing. */
      readonly reason: CancelReason;
    }
  /** Give it back at the next token, to go on later; the core repeats it until the attempt ends. */
  | {
      readonly kind: 'preempt-attempt';
      readonly to: ProcessAddress;
      readonly attempt: AttemptRef;
    }
  | {
      readonly kind: 'confirm-finished';
      readonly to: ProcessAddress;
      readonly attempts: readonly AttemptRef[];
    }
  /** Ask for a heartbeat at once. */
  | { readonly kind: 'greet-process'; readonly to: ProcessAddress }
  /** Store a result with expected last subject sequence 0. Answer: result-committed. */
  | {
      readonly kind: 'commit-result';
      readonly of: ResultOwner;
      /** How urgent storing it is. */
      readonly class: TaskClass;
      readonly result: Result;
      readonly as: CommitKind;
    }
  /** Store a dead letter. Answer: dead-letter-stored. */
  | {
      readonly kind: 'store-dead-letter';
      readonly spec: TaskSpec;
      readonly reason: string;
      readonly attempts: number;
      readonly lastError: ErrorBody;
      readonly failures: readonly AttemptFailure[];
    }
  /** Acknowledge the message in LLMOS_TASKS: nothing about this task is left to do. */
  | {
      readonly kind: 'acknowledge';
      readonly sequence: number;
      /** Set where llmos_attempts holds a row to delete. */
      readonly forget?: { readonly tenant: TenantId; readonly task: TaskId };
    }
  // Processes.
  | {
      readonly kind: 'start-process';
      readonly to: ProcessAddress;
      /** `name@version` or a built-in program. */
      readonly target: Target;
      readonly device: string;
      readonly reservedBytes: number;
    }
  | { readonly kind: 'stop-process'; readonly to: ProcessAddress; readonly graceMs: number }
  // For people: lifecycle events on `llmos.v1.event.…`, logs and metrics.
  | { readonly kind: 'announce'; readonly fact: KernelFact };

/**
 * One task and where it stands. Written by the functions of `scheduling/` through `moveTask`.
 *
 * A task passes: looking-up → unrouted → blocked | held | queued → running → between-attempts →
 * committing → settling → gone, with backing-off and dead-lettering on the way of those that fail.
 */
import type {
  AttemptCost,
  CallerId,
  ErrorBody,
  NodeId,
  ProcessId,
  Result,
  Target,
} from '@llmos/base';
import { assertNever } from '@llmos/base';
import type { AttemptFailure, TaskSpec } from './task-spec';

/** Which started process an attempt was sent to. */
export interface AttemptPlace {
  readonly nodeId: NodeId;
  readonly pid: ProcessId;
  readonly incarnation: number;
}

export type StopReason = 'CANCELLED' | 'DEADLINE_EXCEEDED' | 'CALLER_GONE';

export interface RunningState {
  readonly kind: 'running';
  readonly place: AttemptPlace;
  readonly startedAtMs: number;
  /** Undefined until the process said so; a repeated execute makes it undefined again. */
  acceptedAtMs: number | undefined;
  /** Since when the current round of execute messages waits for an answer. */
  askedAtMs: number;
  sendCount: number;
  nextSendAtMs: number;
  /** Heartbeats in a row that did not name it although it was accepted. */
  missedHeartbeats: number;
  missedAtMs: number;
  stop: StopRequest | undefined;
  /** Asked to make room, and not ended yet. */
  preempt: PreemptRequest | undefined;
  /** What this attempt was charged so far. */
  cost: AttemptCost;
}

export interface PreemptRequest {
  nextSendAtMs: number;
}

export interface StopRequest {
  readonly reason: StopReason;
  readonly giveUpAtMs: number;
  nextSendAtMs: number;
}

/** How a task ended. */
export interface EndSummary {
  readonly ok: boolean;
  readonly code?: string;
}

export type TaskState =
  /**
   * Asked whether its result is there already. `told`: how a process says meanwhile that the task
   * of its id ended, this one or an earlier one.
   */
  | { readonly kind: 'looking-up'; readonly told?: EndSummary }
  /** Waits until the models are known. */
  | { readonly kind: 'unrouted' }
  /** An earlier task of its key is not over. */
  | { readonly kind: 'blocked' }
  /** May be running somewhere: a new leader waits for the nodes to say so. */
  | { readonly kind: 'held' }
  /** In the run queue. */
  | { readonly kind: 'queued' }
  | RunningState
  /** Between two attempts: until the time is over and the next attempt is recorded. */
  | { readonly kind: 'backing-off'; readonly untilMs: number }
  | { readonly kind: 'dead-lettering'; readonly error: ErrorBody }
  /** The kernel's own result is on its way. */
  | { readonly kind: 'committing'; readonly result: Result; readonly as: 'end' | 'refused' }
  /** Its result is stored; a question or a record of it is not answered yet. */
  | { readonly kind: 'settling' }
  /** An attempt of it is over; within the same event it is decided how it goes on. */
  | { readonly kind: 'between-attempts' }
  /** Out of every table: whoever still holds it has nothing more to do. */
  | { readonly kind: 'gone' };

/** Shared by all tasks that stand so: they hold nothing of their own, and wait by the 100,000. */
export const WAITING_STATES = {
  lookingUp: { kind: 'looking-up' },
  unrouted: { kind: 'unrouted' },
  blocked: { kind: 'blocked' },
  held: { kind: 'held' },
  queued: { kind: 'queued' },
} as const satisfies Readonly<Record<string, TaskState>>;

export interface Task {
  readonly spec: TaskSpec;
  /** The newest message of its id, where another caller sent that: it decides the binding. */
  repeat: TaskSpec | undefined;
  /** Header, timeout and lifetime cap, whichever ends first. */
  readonly deadlineWallMs: number;
  /** May have run under an earlier leader, and was not dispatched by this one. */
  mayRunElsewhere: boolean;
  /** `name@version` or a built-in program, once routed. */
  target: Target | undefined;
  state: TaskState;
  /** Number of the current attempt, or of the next one while none runs; from 1. */
  attempt: number;
  /** Attempts that were no fault of the task: they don't count towards its maximum. */
  uncountedAttempts: number;
  /** How often it made room for more urgent ones under this leader. */
  preemptions: number;
  /** How often a process gave it back that was not asked to, under this leader. */
  unaskedReturns: number;
  /** What all its attempts were charged under this leader. */
  cost: AttemptCost;
  /** Where it ran when it was given back: what it computed may be kept there. */
  ranAt: ProcessId | undefined;
  /** It was in a host that died: it runs with no other task beside it. */
  isApart: boolean;
  /** The latest failed attempts, oldest first. */
  failures: readonly AttemptFailure[];
  /** llmos_attempts holds, or will hold, a row. */
  hasAttemptRow: boolean;
  /** A write of that row is not answered yet. */
  isRecording: boolean;
  /** Whether its result is there was asked, and not answered yet. */
  isLookingUp: boolean;
}

/** Whom it is bound to; undefined: nobody. */
export function callerOf(task: Task): CallerId | undefined {
  return (task.repeat ?? task.spec).caller;
}

/** Before its end began: as it stands it can be cancelled, expire or run. */
export function isOpen({ state: { kind } }: Task): boolean {
  switch (kind) {
    case 'looking-up':
    case 'unrouted':
    case 'blocked':
    case 'held':
    case 'queued':
    case 'running':
    case 'backing-off':
      return true;
    case 'between-attempts':
    case 'dead-lettering':
    case 'committing':
    case 'settling':
    case 'gone':
      return false;
    default:
      return assertNever(kind);
  }
}

/** Nothing that was asked of the stores for it comes back any more. */
export function isAnswered(task: Task): boolean {
  return !task.isRecording && !task.isLookingUp;
}

export function countedAttempts(task: Task): number {
  return task.attempt - task.uncountedAttempts;
}

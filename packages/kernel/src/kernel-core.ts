/**
 * The face of the pure core: a deterministic state machine, `(state, event, now) → decisions`.
 *
 * No clock, no randomness, no I/O, no promises. The control loop drives it in production, the
 * simulator in tests. A core lives for one epoch.
 */
import type {
  AttemptCost,
  BlockedModel,
  ErrorBody,
  Instant,
  ProcessRow,
  NodeRow,
  TaskClass,
  TaskIdentity,
  TaskStatus,
  TenantId,
  TaskId,
} from '@llmos/base';
import type { KernelDecision } from './kernel-decision';
import type { KernelEvent } from './kernel-event';
import type { ModelLoad } from './scheduling/model-loads';
import type { BoundTasks } from './tasks/caller-table';

/** Counts for `info`, health and metrics. */
export interface CoreCounts {
  readonly queued: Readonly<Record<TaskClass, number>>;
  /** Of the queued ones, those whose model failed wherever it was tried; no standstill of ours. */
  readonly blocked: number;
  readonly running: number;
  /** Tasks of every state that the core holds. */
  readonly tasks: number;
  /** What these take in the heap, about, with the messages that are held for them. */
  readonly heldBytes: number;
  readonly processes: number;
  readonly nodes: number;
  /** Rises with every accepted, finished, started or loaded thing; readiness means progress. */
  readonly progress: number;
  readonly isRecovering: boolean;
  /** Callers that tasks are bound to. */
  readonly callers: number;
  /** Tasks cancelled because their caller was gone. */
  readonly callerGone: number;
  /** Attempts that a heartbeat missed and were sent again; those it named and were refused. */
  readonly reconciled: { readonly resent: number; readonly refused: number };
  /** Commands that processes refused because no leader had their epoch. */
  readonly foreignMessages: number;
  /** What attempts cost under this leader, by tenant. */
  readonly costs: ReadonlyMap<string, AttemptCost>;
}

export interface KernelCore {
  /** Takes one fact in. Cheap; planning waits for `plan`. */
  apply(event: KernelEvent, now: Instant): void;
  /** One tick: expiries, reconciliation, scheduling. Returns what to do, in order. */
  plan(now: Instant): KernelDecision[];
  /** When `plan` must run again even if no event comes; undefined: never. */
  nextWakeMs(): number | undefined;
  /** Every violated invariant, by name; empty in a sound core (K1, K2, …). */
  violations(): string[];
  // Views for system calls.
  processes(now: Instant): ProcessRow[];
  nodes(now: Instant): NodeRow[];
  /** Models that tasks or spawn requests wait for in vain, most waiting first; bounded. */
  blocked(now: Instant): BlockedModel[];
  /** What waits for each model and runs in it; bounded. */
  models(): ModelLoad[];
  statusOf(tenant: TenantId, task: TaskId): TaskStatus;
  /** What the id of a live task stands for, where the client chose it. */
  identityOf(tenant: TenantId, task: TaskId): TaskIdentity | undefined;
  /** The live tasks that are bound to callers. */
  boundTasks(): BoundTasks;
  /** How many tasks a tenant may have, and how many more. */
  taskRoom(tenant: TenantId): { readonly limit: number; readonly remaining: number };
  /** Why it may not have one more, with a body of this size. */
  refusalOf(tenant: TenantId, bodyBytes: number): ErrorBody | undefined;
  counts(): CoreCounts;
}

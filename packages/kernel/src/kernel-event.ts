/**
 * Everything that can happen to the kernel, as facts. One union: the core's whole input.
 *
 * Adapters and the simulator make these; only `applyEvent` reads them.
 */
import type {
  AttemptCost,
  AttemptEnd,
  AttemptRef,
  Epoch,
  ErrorBody,
  FunctionDefinition,
  KernelId,
  ModelRegistration,
  NodeCapabilities,
  NodeId,
  ProcessId,
  ReportedContexts,
  ReportedMemory,
  ReportedProcess,
  SpawnRequest,
  Target,
  TaskId,
  TaskIdentity,
  TenantCaller,
  TenantId,
} from '@llmos/base';
import type { AttemptFailure, TaskSpec } from './tasks/task-spec';

/** What a process runs, and what it has cost so far, where that was told. */
export interface RunningAttempt extends AttemptRef {
  readonly cost?: AttemptCost;
}

/** Where a report came from. */
export interface ReportOrigin {
  readonly nodeId: NodeId;
  readonly pid: ProcessId;
  readonly incarnation: number;
}

/**
 * How a task comes in that does not come for the first time and in the order of its class: `ahead`
 * of what was stored before it, for the first time; or `again`, so that it may have ended meanwhile.
 */
export type Arrival = 'ahead' | 'again';

export type KernelEvent =
  // Leadership: the first event of every core.
  | {
      readonly kind: 'leadership-began';
      readonly epoch: Epoch;
      readonly kernelId: KernelId;
      /** Tasks up to this stream sequence may have run before: look their results up first. */
      readonly recoverUpToSequence: number;
      /** Desired state, as stored. */
      readonly desired: readonly SpawnRequest[];
    }
  // Intake. Idempotent by sequence.
  | {
      readonly kind: 'task-stored';
      readonly spec: TaskSpec;
      /** Its tenant has taken its share of a store: what it is refused with. */
      readonly refusal?: ErrorBody;
      readonly arrival?: Arrival;
    }
  /** A message whose subject is right but whose headers or body can't be read: ends in this error. */
  | {
      readonly kind: 'task-malformed';
      readonly spec: TaskSpec;
      readonly error: ErrorBody;
      readonly arrival?: Arrival;
    }
  /** Old tasks may still wait in their stream: nothing is an orphan for not being known here. */
  | { readonly kind: 'intake-held-back' }
  | { readonly kind: 'cancel-requested'; readonly tenant: TenantId; readonly task: TaskId }
  /** Nobody listens on the subject of the caller, or no answer comes from there, for too long. */
  | { readonly kind: 'caller-gone'; readonly of: TenantCaller }
  // Answers to decisions that ask the world.
  | {
      readonly kind: 'result-looked-up';
      readonly sequence: number;
      readonly isCommitted: boolean;
      /** From llmos_attempts. */
      readonly attempts: number;
      /** Of these, the ones that don't count towards the maximum; absent: none. */
      readonly uncounted?: number;
      readonly isApart: boolean;
      readonly failures?: readonly AttemptFailure[];
      /** Whose result it is, where the id was used for another function or body before. */
      readonly other?: TaskIdentity;
    }
  | { readonly kind: 'attempt-recorded'; readonly sequence: number; readonly attempt: number }
  /** The kernel's own result is stored, or one was there already. */
  | {
      readonly kind: 'result-committed';
      readonly tenant: TenantId;
      readonly task: TaskId;
      /** Whose result was there, where that is another task of the id: then this one has none. */
      readonly other?: TaskIdentity;
    }
  | { readonly kind: 'dead-letter-stored'; readonly tenant: TenantId; readonly task: TaskId }
  // Reports of processes.
  | {
      readonly kind: 'attempt-accepted';
      readonly origin: ReportOrigin;
      readonly attempt: AttemptRef;
    }
  | {
      readonly kind: 'attempt-finished';
      readonly origin: ReportOrigin;
      readonly attempt: AttemptRef;
      readonly outcome: AttemptEnd;
      readonly cost?: AttemptCost;
    }
  | {
      readonly kind: 'attempt-preempted';
      readonly origin: ReportOrigin;
      readonly attempt: AttemptRef;
      readonly cost?: AttemptCost;
    }
  | {
      readonly kind: 'process-heartbeat';
      readonly origin: ReportOrigin;
      /** Accepted and not finished, or finished and not confirmed. */
      readonly running: readonly RunningAttempt[];
      /** Whose commands it obeys; absent where it does not say. */
      readonly epoch?: number;
      /** Commands that it has refused, because no leader had their epoch. */
      readonly foreign?: number;
    }
  // Nodes.
  | {
      readonly kind: 'node-attached';
      readonly nodeId: NodeId;
      /** Changes with every start of the agent: processes of another session are gone. */
      readonly session: string;
      readonly capabilities: NodeCapabilities;
      readonly processes: readonly ReportedProcess[];
    }
  | {
      readonly kind: 'node-heartbeat';
      readonly nodeId: NodeId;
      readonly freeMemoryBytes: number;
      readonly contexts?: readonly ReportedContexts[];
      readonly memory?: readonly ReportedMemory[];
      /** Its agent stops; absent is no. */
      readonly isLeaving?: boolean;
      readonly clockOffsetMs?: number;
    }
  /** The stream closed; the node is lost only when its lease ends. */
  | { readonly kind: 'node-detached'; readonly nodeId: NodeId; readonly session: string }
  | { readonly kind: 'process-changed'; readonly nodeId: NodeId; readonly process: ReportedProcess }
  // Registry and desired state.
  /** All of them, as they are: at first, and wherever they had to be read anew. */
  | { readonly kind: 'models-changed'; readonly models: readonly ModelRegistration[] }
  /** One of those, `name@version`; undefined where it is gone. */
  | {
      readonly kind: 'model-changed';
      readonly target: Target;
      readonly model: ModelRegistration | undefined;
    }
  | { readonly kind: 'functions-changed'; readonly functions: readonly FunctionDefinition[] }
  | { readonly kind: 'spawn-requested'; readonly request: SpawnRequest }
  | { readonly kind: 'kill-requested'; readonly pid: ProcessId }
  /** Nothing happened but time. */
  | { readonly kind: 'time-passed' };

/** A message of LLMOS_TASKS. */
export type IntakeEvent = Extract<KernelEvent, { kind: 'task-stored' | 'task-malformed' }>;

/** What a watch of the registry shows. */
export type ModelsEvent = Extract<KernelEvent, { kind: 'models-changed' | 'model-changed' }>;
export type RegistryEvent = ModelsEvent | Extract<KernelEvent, { kind: 'functions-changed' }>;

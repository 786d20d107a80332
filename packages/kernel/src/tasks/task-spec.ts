/** What a client asked for, once its subject, headers and the start of its body were read. */
import type {
  BodyFormat,
  ErrorCode,
  FunctionName,
  ModelRef,
  TaskClass,
  TaskId,
  TaskKey,
  TenantId,
} from '@llmos/base';

export interface TaskSpec {
  readonly tenant: TenantId;
  readonly id: TaskId;
  /** False where the id is `s<sequence>`: no other message can carry it. */
  readonly hasOwnId: boolean;
  readonly function: FunctionName;
  readonly class: TaskClass;
  readonly priority: number;
  /** False: it inherits the priority of its parent. */
  readonly hasOwnPriority: boolean;
  /** Of the message in LLMOS_TASKS. */
  readonly sequence: number;
  /** When JetStream stored it. */
  readonly storedWallMs: number;
  /** The earlier of the deadline header and storedWallMs + timeout; absent: the lifetime cap. */
  readonly deadlineWallMs?: number;
  readonly maxAttempts: number;
  readonly stream: boolean;
  readonly format: BodyFormat;
  readonly key?: TaskKey;
  readonly model?: ModelRef;
  readonly parent?: TaskId;
  readonly root?: TaskId;
  readonly traceparent?: string;
}

/** Why one attempt failed, as its dead letter tells it. */
export interface AttemptFailure {
  readonly attempt: number;
  readonly code: ErrorCode;
  readonly message: string;
}

/** What llmos_attempts keeps of a task for the next leader. */
export interface AttemptRecord {
  /** Number of the attempt that comes next, or runs. */
  readonly attempt: number;
  /** Those before it that don't count towards the maximum. */
  readonly uncounted: number;
  readonly isApart: boolean;
  /** The latest ones, oldest first. */
  readonly failures: readonly AttemptFailure[];
}

/** One try of a task, as the mailbox and the reports name it. */
export interface AttemptRef {
  readonly tenant: TenantId;
  readonly task: TaskId;
  readonly attempt: number;
}

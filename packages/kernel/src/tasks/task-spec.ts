/** What a client asked for, once its subject, headers and the start of its body were read. */
import type {
  BodyFormat,
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

/** One try of a task, as the mailbox and the reports name it. */
export interface AttemptRef {
  readonly tenant: TenantId;
  readonly task: TaskId;
  readonly attempt: number;
}

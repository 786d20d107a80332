/** What a client asked for, once its subject, headers and the start of its body were read. */
import type {
  BodyFormat,
  CallerId,
  ErrorCode,
  FlowName,
  FunctionName,
  ModelRef,
  TaskClass,
  TaskId,
  TaskIdentity,
  TaskKey,
  TenantId,
} from '@llmos/base';

export interface TaskSpec {
  readonly tenant: TenantId;
  readonly id: TaskId;
  /** False where the id is `s<sequence>`: no other message can carry it. */
  readonly hasOwnId: boolean;
  /**
   * Its client says that it made the id for this message. Believed where nothing speaks against it:
   * then nobody asks whether the id has its result already.
   */
  readonly isIdNew?: true;
  readonly function: FunctionName;
  readonly class: TaskClass;
  readonly priority: number;
  /** False: it inherits the priority of its parent. */
  readonly hasOwnPriority: boolean;
  /** Of the message in LLMOS_TASKS. */
  readonly sequence: number;
  /** When JetStream stored it. */
  readonly storedWallMs: number;
  /** Of its body; absent: not known, counted as none. */
  readonly bodyBytes?: number;
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
  /** Decides where the result is stored; absent: as long as results are kept. */
  readonly keepMs?: number;
  /** Of the body, where the client chose the id: another body under it is another task. */
  readonly digest?: string;
  /** The task is cancelled when this one is gone; absent: it goes on whoever is gone. */
  readonly caller?: CallerId;
  /** Carried for the scheduler, which does not use them yet. */
  readonly flow?: FlowName;
  readonly notBeforeWallMs?: number;
}

/** What decides where a result that the kernel commits is stored, and what is stored with it. */
export type ResultOwner = Pick<
  TaskSpec,
  'tenant' | 'id' | 'function' | 'format' | 'sequence' | 'keepMs' | 'digest'
>;

/**
 * `refused`: a limit keeps it out; an answer that is soon forgotten, and no result. `early`: the
 * task has not come in, so it is not known where its result belongs.
 */
export type CommitKind = 'end' | 'refused' | 'early';

/** Undefined where the id is the task's own: nobody else can have it. */
export function identityOf(spec: Pick<TaskSpec, 'function' | 'digest'>): TaskIdentity | undefined {
  const { function: name, digest } = spec;
  return digest === undefined ? undefined : { function: name, digest };
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

import type {
  Epoch,
  ErrorBody,
  Result,
  TaskClass,
  TaskId,
  TaskIdentity,
  TaskSubject,
  TaskTerms,
  TenantId,
} from '@llmos/base';
import type { IntakeEvent } from '../kernel-event';
import type {
  AttemptFailure,
  AttemptRecord,
  CommitKind,
  ResultOwner,
  TaskSpec,
} from '../tasks/task-spec';

export interface LookedUp {
  readonly isCommitted: boolean;
  readonly attempts: number;
  readonly uncounted: number;
  readonly isApart: boolean;
  readonly failures: readonly AttemptFailure[];
  /** Set where the stored result is that of another task, which had the id first. */
  readonly other?: TaskIdentity;
}

export interface CommittedResult {
  readonly of: ResultOwner;
  /** How urgent storing it is. */
  readonly class: TaskClass;
  readonly result: Result;
  readonly as: CommitKind;
}

export interface DeadLetter {
  readonly spec: TaskSpec;
  readonly reason: string;
  readonly attempts: number;
  readonly lastError: ErrorBody;
  readonly failures: readonly AttemptFailure[];
}

/** A task whose storing was just acknowledged. */
export interface PublishedTask {
  readonly subject: TaskSubject;
  readonly terms: TaskTerms;
  readonly body: Uint8Array;
  readonly sequence: number;
}

/** Which classes may be taken in. */
export type IntakeOpening = Readonly<Record<TaskClass, boolean>>;

/**
 * The durable side of tasks: intake, results, attempts, dead letters.
 *
 * Intake delivers each unacknowledged message at least once per epoch, in stream order within a
 * class but for those that `takeInAhead` brought. Every promise retries inside until it succeeds or
 * the leadership ends (then it rejects); each operation is idempotent.
 */
export interface TaskStream {
  /**
   * Deletes the consumers of lower epochs, creates this epoch's and starts delivering
   * `task-stored` and `task-malformed` events. Resolves with the last sequence stored before.
   */
  begin(epoch: Epoch, deliver: (event: IntakeEvent) => void): Promise<{ lastSequence: number }>;
  /**
   * Takes a task in at once, ahead of those that were stored before it, where that is safe; where
   * it is not, its delivery comes in its turn.
   */
  takeInAhead(published: PublishedTask): void;
  /**
   * Backpressure: while a class is closed, its tasks stay in the stream; what was asked for already
   * may come. Says whether tasks are held back, for this reason or one of its own.
   */
  setIntakeOpen(open: IntakeOpening): { readonly isHeldBack: boolean };
  /** The lease has lapsed: nothing more is asked for or written until `resume`. */
  suspend(): void;
  resume(): void;
  /** Stops delivering; unacknowledged messages go to the next leader. */
  end(): Promise<void>;
  lookUp(spec: TaskSpec): Promise<LookedUp>;
  recordAttempt(spec: TaskSpec, record: AttemptRecord): Promise<void>;
  /**
   * Resolves when a result of the id is stored, this one or an earlier one.
   *
   * @returns whose the earlier one is, where that is another task.
   */
  commitResult(of: CommittedResult): Promise<TaskIdentity | undefined>;
  storeDeadLetter(letter: DeadLetter): Promise<void>;
  /** Fire and forget; a lost acknowledgement is repaired by the next leader's look-up. */
  acknowledge(sequence: number, forget?: { tenant: TenantId; task: TaskId }): void;
  /** The body, while the byte budget holds it; undefined: the host reads it by sequence. */
  bodyOf(sequence: number): Uint8Array | undefined;
}

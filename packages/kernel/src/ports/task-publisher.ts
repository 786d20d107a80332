import type { TaskSubject, TaskTerms } from '@llmos/base';

export interface StoredTask {
  readonly sequence: number;
}

/** Stores tasks for `submit` and `call`. */
export interface TaskPublisher {
  /** The largest body that can still be forwarded with its terms. */
  maxBodyBytes(): number;
  /**
   * Resolves once the task is durable. Rejects with an LlmosError: RESOURCE_EXHAUSTED where the
   * queue is full, UNAVAILABLE where it is not known whether the task was stored.
   */
  publish(of: {
    readonly subject: TaskSubject;
    readonly terms: TaskTerms;
    readonly body: Uint8Array;
  }): Promise<StoredTask>;
}

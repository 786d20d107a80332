/**
 * Tells the leader of each task that was stored, so that it need not stand in the line of its
 * class. What the leader would refuse is refused before it is stored.
 */
import { LlmosError } from '@llmos/base';
import type { ErrorBody } from '@llmos/base';
import type { PublishedTask } from '../ports/task-stream';
import type { StoredTask, TaskPublisher } from '../ports/task-publisher';

export type TaskToStore = Parameters<TaskPublisher['publish']>[0];

export interface Leader {
  refusalOf(task: TaskToStore): ErrorBody | undefined;
  takeInAhead(published: PublishedTask): void;
}

export class AheadPublisher implements TaskPublisher {
  constructor(
    private readonly inner: TaskPublisher,
    /** Undefined where this kernel does not lead. */
    private readonly leader: () => Leader | undefined,
  ) {}

  maxBodyBytes(): number {
    return this.inner.maxBodyBytes();
  }

  async publish(task: TaskToStore): Promise<StoredTask> {
    const refusal = this.leader()?.refusalOf(task);
    if (refusal !== undefined) throw LlmosError.fromBody(refusal);
    const stored = await this.inner.publish(task);
    this.leader()?.takeInAhead({ ...task, ...stored });
    return stored;
  }
}

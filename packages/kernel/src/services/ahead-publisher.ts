/** Tells the leader of each task that was stored, so that it need not stand in the line of its class. */
import type { PublishedTask } from '../ports/task-stream';
import type { StoredTask, TaskPublisher } from '../ports/task-publisher';

export class AheadPublisher implements TaskPublisher {
  constructor(
    private readonly inner: TaskPublisher,
    private readonly tell: (published: PublishedTask) => void,
  ) {}

  maxBodyBytes(): number {
    return this.inner.maxBodyBytes();
  }

  async publish(task: Parameters<TaskPublisher['publish']>[0]): Promise<StoredTask> {
    const stored = await this.inner.publish(task);
    this.tell({ ...task, ...stored });
    return stored;
  }
}

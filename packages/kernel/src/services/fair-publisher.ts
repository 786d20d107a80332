/**
 * Stores the tasks of `submit` and `call` a bounded number at a time, the tenants in turn: however
 * many requests one of them sends at once, another one's is stored next. What is beyond the bounds
 * is refused at once, so that nobody waits for an answer that never comes.
 */
import type { TenantId } from '@llmos/base';
import { Fifo, LlmosError } from '@llmos/base';
import type { StoredTask, TaskPublisher } from '../ports/task-publisher';

type Task = Parameters<TaskPublisher['publish']>[0];

export interface FairPublisherLimits {
  /** Asked to be stored and not answered yet: in all, and of one tenant. */
  readonly maxPublishes: number;
  readonly maxPublishesPerTenant: number;
  /** Those that wait for that. */
  readonly maxWaitingPublishes: number;
  readonly maxWaitingPerTenant: number;
  readonly maxWaitingBytes: number;
  readonly retryAfterMs: number;
}

interface WaitingTask {
  readonly task: Task;
  readonly go: () => void;
}

interface Line {
  inFlight: number;
  readonly waiting: Fifo<WaitingTask>;
}

export class FairPublisher implements TaskPublisher {
  /** Tenants that have something in flight or waiting. */
  private readonly lines = new Map<TenantId, Line>();
  /** Those that wait, the next one first. */
  private readonly turns = new Set<TenantId>();
  private inFlight = 0;
  private waitingCount = 0;
  private waitingBytes = 0;

  constructor(
    private readonly inner: TaskPublisher,
    private readonly limits: FairPublisherLimits,
  ) {}

  maxBodyBytes(): number {
    return this.inner.maxBodyBytes();
  }

  /** Throws RESOURCE_EXHAUSTED at once, before anything is asked on behalf of the task. */
  publish(task: Task): Promise<StoredTask> {
    const { tenant } = task.subject;
    const line = this.lines.get(tenant) ?? { inFlight: 0, waiting: new Fifo() };
    if (line.waiting.size === 0 && this.mayGo(line)) {
      this.lines.set(tenant, line);
      return this.store(task, line);
    }
    this.assertRoom(task, line);
    this.lines.set(tenant, line);
    this.waitingCount += 1;
    this.waitingBytes += task.body.length;
    this.turns.add(tenant);
    return new Promise((resolve, reject) => {
      const go = (): void => void this.store(task, line).then(resolve, reject);
      line.waiting.push({ task, go });
    });
  }

  private mayGo(line: Line): boolean {
    const { maxPublishes, maxPublishesPerTenant } = this.limits;
    return this.inFlight < maxPublishes && line.inFlight < maxPublishesPerTenant;
  }

  private assertRoom(task: Task, line: Line): void {
    const { limits } = this;
    const ofTenant = line.waiting.size;
    const isFull =
      this.waitingCount >= limits.maxWaitingPublishes ||
      ofTenant >= limits.maxWaitingPerTenant ||
      this.waitingBytes + task.body.length > limits.maxWaitingBytes;
    if (!isFull) return;
    throw new LlmosError(
      'RESOURCE_EXHAUSTED',
      `${ofTenant} requests of tenant ${task.subject.tenant} wait to be stored, ` +
        `${this.waitingCount} of all tenants`,
      { details: { retryAfterMs: limits.retryAfterMs } },
    );
  }

  private async store(task: Task, line: Line): Promise<StoredTask> {
    line.inFlight += 1;
    this.inFlight += 1;
    try {
      return await this.inner.publish(task);
    } finally {
      line.inFlight -= 1;
      this.inFlight -= 1;
      if (line.inFlight === 0 && line.waiting.size === 0) this.lines.delete(task.subject.tenant);
      this.goOn();
    }
  }

  private goOn(): void {
    for (const tenant of this.turns) {
      if (this.inFlight >= this.limits.maxPublishes) return;
      const line = this.lines.get(tenant);
      if (line === undefined || !this.mayGo(line)) continue;
      // To the end of the turns, where more of it waits.
      this.turns.delete(tenant);
      const next = line.waiting.take();
      if (line.waiting.size > 0) this.turns.add(tenant);
      if (next === undefined) continue;
      this.waitingCount -= 1;
      this.waitingBytes -= next.task.body.length;
      next.go();
    }
  }
}

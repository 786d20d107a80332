/**
 * Stores the tasks of `submit` and `call` a bounded number at a time, the tenants in turn: however
 * many requests one of them sends at once, another one's is stored next. What is beyond the bounds
 * is refused at once, so that nobody waits for an answer that never comes.
 */
import type { TenantId } from '@llmos/base';
import { FairWindow, LlmosError } from '@llmos/base';
import type { StoredTask, TaskPublisher } from '../ports/task-publisher';

type Task = Parameters<TaskPublisher['publish']>[0];

export interface FairPublisherLimits {
  /** Asked to be stored and not answered yet: in all, and of one tenant. */
  readonly maxPublishes: number;
  readonly maxPublishesPerTenant: number;
  /** Beyond, what comes waits. */
  readonly maxPublishBytes: number;
  readonly maxTenantPublishBytes: number;
  /** Those that wait for that. */
  readonly maxWaitingPublishes: number;
  readonly maxWaitingPerTenant: number;
  readonly maxWaitingBytes: number;
  readonly maxTenantWaitingBytes: number;
  readonly retryAfterMs: number;
}

export class FairPublisher implements TaskPublisher {
  private readonly window: FairWindow<TenantId>;

  constructor(
    private readonly inner: TaskPublisher,
    private readonly limits: FairPublisherLimits,
  ) {
    this.window = new FairWindow({
      maxOpen: limits.maxPublishes,
      maxOpenPerOwner: limits.maxPublishesPerTenant,
      maxOpenWeight: limits.maxPublishBytes,
      maxOpenWeightPerOwner: limits.maxTenantPublishBytes,
    });
  }

  maxBodyBytes(): number {
    return this.inner.maxBodyBytes();
  }

  /** Throws RESOURCE_EXHAUSTED at once, before anything is asked on behalf of the task. */
  publish(task: Task): Promise<StoredTask> {
    const { tenant } = task.subject;
    const bytes = bytesOf(task);
    if (!this.window.mayBegin(tenant)) this.assertRoom(tenant, bytes);
    return this.window.run(tenant, () => this.inner.publish(task), bytes);
  }

  /** What waits is not stored any more: rejected with UNAVAILABLE. */
  refuseRest(): void {
    const message = 'this kernel stops, and the task is not stored';
    this.window.dropWaiting(() => new LlmosError('UNAVAILABLE', message));
  }

  /** Resolves once nothing is on its way. */
  idle(): Promise<void> {
    return this.window.idle();
  }

  private assertRoom(tenant: TenantId, bytes: number): void {
    const { limits } = this;
    const { waiting } = this.window;
    const ofTenant = waiting.countOf(tenant);
    const isFull =
      waiting.count >= limits.maxWaitingPublishes ||
      ofTenant >= limits.maxWaitingPerTenant ||
      waiting.weight + bytes > limits.maxWaitingBytes ||
      waiting.weightOf(tenant) + bytes > limits.maxTenantWaitingBytes;
    if (!isFull) return;
    throw new LlmosError(
      'RESOURCE_EXHAUSTED',
      `${ofTenant} requests of tenant ${tenant} wait to be stored, ${waiting.count} of all tenants`,
      { details: { retryAfterMs: limits.retryAfterMs } },
    );
  }
}

/** Its terms are small: each is bounded by how it is read. */
function bytesOf({ body }: Task): number {
  return body.length;
}

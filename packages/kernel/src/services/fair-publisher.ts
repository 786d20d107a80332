/**
 * Stores the tasks of `submit` and `call` a bounded number at a time, the tenants in turn: however
 * many requests one of them sends at once, another one's is stored next. What is beyond the bounds
 * is refused at once, so that nobody waits for an answer that never comes.
 */
import type { TenantId } from '@llmos/base';
import { FairFifo, LlmosError, Tally } from '@llmos/base';
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

interface WaitingTask {
  readonly task: Task;
  readonly go: () => void;
  readonly refuse: (error: LlmosError) => void;
}

export class FairPublisher implements TaskPublisher {
  private readonly waiting = new FairFifo<TenantId, WaitingTask>();
  private waitingBytes = 0;
  private readonly waitingBytesOf = new Tally<TenantId>();
  private inFlight = 0;
  private inFlightBytes = 0;
  private readonly inFlightOf = new Tally<TenantId>();
  private readonly inFlightBytesOf = new Tally<TenantId>();
  private whenIdle: (() => void)[] = [];

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
    const mayGo = this.waiting.sizeOf(tenant) === 0 && this.mayGoOn() && this.mayGo(tenant);
    if (mayGo) return this.store(task);
    this.assertRoom(task);
    this.waitingBytes += bytesOf(task);
    this.waitingBytesOf.add(tenant, bytesOf(task));
    return new Promise((resolve, reject) => {
      const go = (): void => void this.store(task).then(resolve, reject);
      this.waiting.push(tenant, { task, go, refuse: reject });
    });
  }

  /** What waits is not stored any more: rejected with UNAVAILABLE. */
  refuseRest(): void {
    for (const { task, refuse } of this.waiting.takeAll()) {
      this.noteTaken(task);
      refuse(new LlmosError('UNAVAILABLE', 'this kernel stops, and the task is not stored'));
    }
    this.tellIdle();
  }

  /** Resolves once nothing is on its way. */
  idle(): Promise<void> {
    if (this.isIdle()) return Promise.resolve();
    return new Promise((resolve) => void this.whenIdle.push(resolve));
  }

  private isIdle(): boolean {
    return this.inFlight === 0 && this.waiting.size === 0;
  }

  private mayGoOn(): boolean {
    const { maxPublishes, maxPublishBytes } = this.limits;
    return this.inFlight < maxPublishes && this.inFlightBytes < maxPublishBytes;
  }

  private mayGo(tenant: TenantId): boolean {
    const { maxPublishesPerTenant, maxTenantPublishBytes } = this.limits;
    const bytes = this.inFlightBytesOf.of(tenant);
    return this.inFlightOf.of(tenant) < maxPublishesPerTenant && bytes < maxTenantPublishBytes;
  }

  private assertRoom(task: Task): void {
    const { limits, waiting } = this;
    const { tenant } = task.subject;
    const ofTenant = waiting.sizeOf(tenant);
    const bytes = bytesOf(task);
    const isFull =
      waiting.size >= limits.maxWaitingPublishes ||
      ofTenant >= limits.maxWaitingPerTenant ||
      this.waitingBytes + bytes > limits.maxWaitingBytes ||
      this.waitingBytesOf.of(tenant) + bytes > limits.maxTenantWaitingBytes;
    if (!isFull) return;
    throw new LlmosError(
      'RESOURCE_EXHAUSTED',
      `${ofTenant} requests of tenant ${tenant} wait to be stored, ${waiting.size} of all tenants`,
      { details: { retryAfterMs: limits.retryAfterMs } },
    );
  }

  private noteTaken(task: Task): void {
    const bytes = bytesOf(task);
    this.waitingBytes -= bytes;
    this.waitingBytesOf.remove(task.subject.tenant, bytes);
  }

  private tellIdle(): void {
    if (this.isIdle()) for (const go of this.whenIdle.splice(0)) go();
  }

  private async store(task: Task): Promise<StoredTask> {
    const { tenant } = task.subject;
    const bytes = bytesOf(task);
    this.inFlight += 1;
    this.inFlightBytes += bytes;
    this.inFlightOf.add(tenant);
    this.inFlightBytesOf.add(tenant, bytes);
    try {
      return await this.inner.publish(task);
    } finally {
      this.inFlight -= 1;
      this.inFlightBytes -= bytes;
      this.inFlightOf.remove(tenant);
      this.inFlightBytesOf.remove(tenant, bytes);
      this.goOn();
    }
  }

  private goOn(): void {
    while (this.mayGoOn()) {
      const next = this.waiting.take((tenant) => this.mayGo(tenant));
      if (next === undefined) break;
      this.noteTaken(next.task);
      next.go();
    }
    this.tellIdle();
  }
}

function bytesOf({ body, headers }: Task): number {
  let bytes = body.length;
  for (const [name, value] of headers) bytes += name.length + value.length;
  return bytes;
}

/**
 * Requests to JetStream that must succeed: repeated with backoff until they do or the leadership
 * ends, a bounded number at once.
 */
import type { Logger, TaskClass, TenantId, Timers } from '@llmos/base';
import { FairFifo, LlmosError, TASK_CLASSES, Tally, backoffMs } from '@llmos/base';
import { describeApiError } from '@llmos/wire';
import { EDGE_LIMITS, STORE_RETRY } from '../../edge-limits';
import type { KernelCounters } from '../../ports/kernel-counters';

export class LeadershipEnded extends LlmosError {
  constructor() {
    super('ABORTED', 'the leadership ended');
  }
}

interface Lane {
  inFlight: number;
  readonly waiting: FairFifo<TenantId, () => void>;
}

function emptyLane(): Lane {
  return { inFlight: 0, waiting: new FairFifo() };
}

/** Requests of all classes that may be in flight when one of this class begins. */
const MOST_IN_FLIGHT: Readonly<Record<TaskClass, number>> = {
  interactive: EDGE_LIMITS.maxStoreRequests,
  standard: Math.floor(EDGE_LIMITS.maxStoreRequests * 0.875),
  batch: Math.floor(EDGE_LIMITS.maxStoreRequests * 0.75),
};
/** So many a class may always have, or the more urgent ones could stop it for ever. */
const LEAST_IN_FLIGHT = Math.floor(EDGE_LIMITS.maxStoreRequests / 16);

export interface PersistenceOptions {
  readonly log: Logger;
  readonly counters: KernelCounters;
  readonly nowMs: () => number;
  readonly timers: Timers;
}

/** Whom a request is for. */
export interface RequestOwner {
  readonly class: TaskClass;
  readonly tenant: TenantId;
}

/**
 * A lane for each class, in which tenants take turns: what is urgent never waits behind what is
 * many, and nobody behind the masses of another tenant. While urgent tasks come in, the other lanes
 * are narrow: masses that end, or are looked up, go on in small parts.
 */
export class Persistence {
  private isEnded = false;
  /** Set while the lease has lapsed: those who wait to go on. */
  private held: (() => void)[] | undefined;
  private inFlight = 0;
  private readonly inFlightOf = new Tally<TenantId>();
  private readonly lanes: Readonly<Record<TaskClass, Lane>> = {
    interactive: emptyLane(),
    standard: emptyLane(),
    batch: emptyLane(),
  };
  private readonly pauses = new Set<() => void>();
  private urgentAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: PersistenceOptions) {}

  /** An urgent task came in, and somebody waits for it. */
  noteUrgent(): void {
    this.urgentAtMs = this.options.nowMs();
  }

  /** Requests of a class that are not sent yet. */
  waiting(taskClass: TaskClass): number {
    return this.lanes[taskClass].waiting.size;
  }

  /** Rejects with LeadershipEnded only. */
  async run<T>(name: string, owner: RequestOwner, operation: () => Promise<T>): Promise<T> {
    await this.enter(owner);
    try {
      return await this.repeat(name, operation);
    } finally {
      this.leave(owner);
    }
  }

  /** What is not sent yet waits until `resume`. */
  suspend(): void {
    this.held ??= [];
  }

  resume(): void {
    const { held } = this;
    this.held = undefined;
    for (const go of held ?? []) go();
  }

  end(): void {
    this.isEnded = true;
    this.resume();
    for (const resume of this.pauses) resume();
    for (const taskClass of TASK_CLASSES) {
      for (const go of this.lanes[taskClass].waiting.takeAll()) go();
    }
  }

  private async repeat<T>(name: string, operation: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures += 1) {
      if (this.held !== undefined) await this.resumed();
      if (this.isEnded) throw new LeadershipEnded();
      try {
        return await operation();
      } catch (error) {
        if (this.isEnded) throw new LeadershipEnded();
        this.options.counters.add('store_retries', name);
        const reason = describeApiError(error);
        this.options.log.warn('store-request-repeated', { operation: name, failures, reason });
        await this.pause(backoffMs(STORE_RETRY, failures));
      }
    }
  }

  private async resumed(): Promise<void> {
    while (this.held !== undefined) {
      const { held } = this;
      await new Promise<void>((resolve) => held.push(resolve));
    }
  }

  private enter(owner: RequestOwner): Promise<void> | undefined {
    const { class: taskClass, tenant } = owner;
    if (this.isEnded || (this.mayBegin(taskClass) && this.mayBeginFor(tenant))) {
      this.begin(owner);
      return undefined;
    }
    return new Promise((resolve) => {
      this.lanes[taskClass].waiting.push(tenant, () => {
        this.begin(owner);
        resolve();
      });
    });
  }

  private begin({ class: taskClass, tenant }: RequestOwner): void {
    this.inFlight += 1;
    this.lanes[taskClass].inFlight += 1;
    this.inFlightOf.add(tenant);
  }

  private mayBegin(taskClass: TaskClass): boolean {
    const { inFlight } = this.lanes[taskClass];
    if (inFlight < LEAST_IN_FLIGHT) return true;
    if (inFlight >= this.mostOfClass(taskClass)) return false;
    return this.inFlight < MOST_IN_FLIGHT[taskClass];
  }

  /**
   * What is answered together is worked off together, in one turn of the event loop, and so many
   * turns does an urgent task take: request, acknowledgement, report and result each wait for one.
   */
  private mostOfClass(taskClass: TaskClass): number {
    const isPaced = this.options.nowMs() - this.urgentAtMs < EDGE_LIMITS.pacedAfterCallMs;
    return isPaced && taskClass !== 'interactive'
      ? EDGE_LIMITS.maxPacedStoreRequests
      : EDGE_LIMITS.maxStoreRequests;
  }

  /** What one tenant brings never takes all places, nor the server's whole attention. */
  private mayBeginFor(tenant: TenantId): boolean {
    return this.inFlightOf.of(tenant) < EDGE_LIMITS.maxTenantStoreRequests;
  }

  private leave({ class: taskClass, tenant }: RequestOwner): void {
    this.inFlight -= 1;
    this.lanes[taskClass].inFlight -= 1;
    this.inFlightOf.remove(tenant);
    for (const each of TASK_CLASSES) this.goOn(each);
  }

  private goOn(taskClass: TaskClass): void {
    const { waiting } = this.lanes[taskClass];
    while (waiting.size > 0 && this.mayBegin(taskClass)) {
      const next = waiting.take((tenant) => this.mayBeginFor(tenant));
      if (next === undefined) return;
      next();
    }
  }

  private pause(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const resume = (): void => {
        cancel();
        this.pauses.delete(resume);
        resolve();
      };
      const cancel = this.options.timers.after(waitMs, resume);
      this.pauses.add(resume);
    });
  }
}

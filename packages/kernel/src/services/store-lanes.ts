/**
 * The way of the leader's requests to the stores: look-ups of results and attempts on one side,
 * results, attempts and dead letters of its own on the other. Each is repeated with backoff until
 * it succeeds or the leadership ends.
 *
 * Who asks: the core alone, by its decisions; it has bounded what it asks for (RequestWindow), so
 * what waits here is bounded too. Each request may be done twice, and those of one task don't
 * overlap: the core asks for the next when the last was answered. The order is the core's
 * (ClassLines).
 *
 * Who asks may assume:
 * - S1 What is in flight is bounded: in all, of each tenant, and of the classes below interactive
 *   while urgent tasks come in. What others ask for waits behind so much, in the server too.
 * - S2 The more urgent class goes first, but each class always has a few places; in a class the
 *   tenants take turns, and reads and writes do, so neither a tenant's mass nor a mass of one kind
 *   holds up what is urgent, or another tenant's.
 * - S3 A request that failed has no place in flight while it pauses. Its kind, and its tenant in
 *   that, begins nothing new beyond as many pauses as it may have in flight: a store of results
 *   that is full stops commits, never look-ups, and is not asked by thousands at once.
 * - S4 Nothing begins while the lease has lapsed; with the leadership all that waits is rejected.
 *
 * What has no leader to wait for goes other ways, bounded alike by a FairWindow in every kernel:
 * tasks into the stream (FairPublisher), results that somebody waits for (ResultArrivals).
 */
import type { Logger, TaskClass, TenantId, Timers } from '@llmos/base';
import { LlmosError, Load, TASK_CLASSES, backoffMs } from '@llmos/base';
import { EDGE_LIMITS, STORE_RETRY } from '../edge-limits';
import type { KernelCounters } from '../ports/kernel-counters';
import type { RequestOwner } from '../scheduling/class-lines';
import { ClassLines } from '../scheduling/class-lines';

export class LeadershipEnded extends LlmosError {
  constructor() {
    super('ABORTED', 'the leadership ended');
  }
}

type Kind = 'read' | 'write';

const KINDS = {
  'look-up-result': 'read',
  'record-attempt': 'write',
  'commit-result': 'write',
  'store-dead-letter': 'write',
} as const satisfies Readonly<Record<string, Kind>>;

export type StoreRequestName = keyof typeof KINDS;

interface StoreRequest extends RequestOwner {
  readonly kind: Kind;
}

/** Requests of all classes that may be in flight when one of this class begins. */
const MOST_IN_FLIGHT: Readonly<Record<TaskClass, number>> = {
  interactive: EDGE_LIMITS.maxStoreRequests,
  standard: Math.floor(EDGE_LIMITS.maxStoreRequests * 0.875),
  batch: Math.floor(EDGE_LIMITS.maxStoreRequests * 0.75),
};
/** So many a class may always have, or the more urgent ones could stop it for ever. */
const LEAST_IN_FLIGHT = Math.floor(EDGE_LIMITS.maxStoreRequests / 16);

export interface StoreLanesOptions {
  readonly log: Logger;
  readonly counters: KernelCounters;
  readonly nowMs: () => number;
  readonly timers: Timers;
  /** What a failure says, in a few words. */
  readonly describe: (error: unknown) => string;
}

export class StoreLanes {
  private isEnded = false;
  /** The lease has lapsed. */
  private isHeld = false;
  private readonly inFlight = new Load<TenantId>();
  private readonly inFlightOf: Record<TaskClass, number> = {
    interactive: 0,
    standard: 0,
    batch: 0,
  };
  private readonly lines: Readonly<Record<Kind, ClassLines<() => void>>> = {
    read: new ClassLines(),
    write: new ClassLines(),
  };
  /** Whose turn it is where both kinds wait. */
  private turn: readonly [Kind, Kind] = ['read', 'write'];
  private readonly pausing: Readonly<Record<Kind, Load<TenantId>>> = {
    read: new Load(),
    write: new Load(),
  };
  private readonly pauses = new Set<() => void>();
  private urgentAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: StoreLanesOptions) {}

  /** An urgent task came in, and somebody waits for it. */
  noteUrgent(): void {
    this.urgentAtMs = this.options.nowMs();
  }

  /** Requests of a class that are not sent yet. */
  waiting(taskClass: TaskClass): number {
    return this.lines.read.waiting(taskClass) + this.lines.write.waiting(taskClass);
  }

  /** Rejects with LeadershipEnded only. */
  async run<T>(
    name: StoreRequestName,
    owner: RequestOwner,
    operation: () => Promise<T>,
  ): Promise<T> {
    const request = { kind: KINDS[name], class: owner.class, tenant: owner.tenant };
    for (let failures = 1; ; failures += 1) {
      await this.enter(request);
      try {
        if (this.isEnded) throw new LeadershipEnded();
        return await operation();
      } catch (error) {
        if (this.isEnded) throw new LeadershipEnded();
        // Before its place is free, or what waits would begin beyond the bound (S3).
        this.pausing[request.kind].add(request.tenant);
        this.options.counters.add('store_retries', name);
        const reason = this.options.describe(error);
        this.options.log.warn('store-request-repeated', { operation: name, failures, reason });
      } finally {
        this.leave(request);
      }
      await this.pause(request, backoffMs(STORE_RETRY, failures));
    }
  }

  /** What is not sent yet waits until `resume` (S4). */
  suspend(): void {
    this.isHeld = true;
  }

  resume(): void {
    this.isHeld = false;
    this.goOn();
  }

  end(): void {
    this.isEnded = true;
    for (const resume of this.pauses) resume();
    for (const kind of this.turn) {
      for (const begin of this.lines[kind].takeAll()) begin();
    }
  }

  private enter(request: StoreRequest): Promise<void> | undefined {
    if (this.isEnded || this.mayBegin(request)) {
      this.begin(request);
      return undefined;
    }
    return new Promise((resolve) => {
      this.lines[request.kind].push(request, () => {
        this.begin(request);
        resolve();
      });
    });
  }

  private begin({ class: taskClass, tenant }: StoreRequest): void {
    this.inFlight.add(tenant);
    this.inFlightOf[taskClass] += 1;
  }

  private leave({ class: taskClass, tenant }: StoreRequest): void {
    this.inFlight.remove(tenant);
    this.inFlightOf[taskClass] -= 1;
    this.goOn();
  }

  private mayBegin({ class: taskClass, kind, tenant }: StoreRequest): boolean {
    return this.hasRoom(taskClass) && this.hasRoomOfKind(taskClass, kind, tenant);
  }

  /** S1 and S2, for a class. */
  private hasRoom(taskClass: TaskClass): boolean {
    if (this.isHeld) return false;
    const inFlight = this.inFlightOf[taskClass];
    if (inFlight < LEAST_IN_FLIGHT) return true;
    if (inFlight >= this.mostOfClass(taskClass)) return false;
    return this.inFlight.count < MOST_IN_FLIGHT[taskClass];
  }

  /** S1 for a tenant, and S3: what one brings never takes all places, nor the server's attention. */
  private hasRoomOfKind(taskClass: TaskClass, kind: Kind, tenant: TenantId): boolean {
    const { maxTenantStoreRequests } = EDGE_LIMITS;
    const pausing = this.pausing[kind];
    return (
      this.inFlight.countOf(tenant) < maxTenantStoreRequests &&
      pausing.countOf(tenant) < maxTenantStoreRequests &&
      pausing.count < MOST_IN_FLIGHT[taskClass]
    );
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

  private goOn(): void {
    for (const taskClass of TASK_CLASSES) {
      while (this.waiting(taskClass) > 0 && this.hasRoom(taskClass)) {
        const begin = this.next(taskClass);
        if (begin === undefined) break;
        begin();
      }
    }
  }

  private next(taskClass: TaskClass): (() => void) | undefined {
    const [first, second] = this.turn;
    for (const kind of this.turn) {
      // Asked once for the kind, and not for each tenant that waits.
      if (this.pausing[kind].count >= MOST_IN_FLIGHT[taskClass]) continue;
      const mayGo = (tenant: TenantId): boolean => this.hasRoomOfKind(taskClass, kind, tenant);
      const begin = this.lines[kind].take(taskClass, mayGo);
      if (begin === undefined) continue;
      if (kind === first) this.turn = [second, first];
      return begin;
    }
    return undefined;
  }

  /** It was counted before; here it counts no more. */
  private async pause({ kind, tenant }: StoreRequest, waitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const resume = (): void => {
        cancel();
        this.pauses.delete(resume);
        resolve();
      };
      const cancel = this.options.timers.after(waitMs, resume);
      this.pauses.add(resume);
    });
    this.pausing[kind].remove(tenant);
    this.goOn();
  }
}

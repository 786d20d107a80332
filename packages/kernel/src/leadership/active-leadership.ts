/**
 * One leadership: a core, its control loop and everything that only the leader does.
 *
 * Begins when the lease is granted and ends at once when it is lost; nothing of it outlives the
 * epoch. What was begun is ended in reverse order.
 */
import type {
  CancelTimer,
  Clock,
  Epoch,
  ErrorBody,
  KernelId,
  Logger,
  LimitRow,
  SystemInfo,
  TenantId,
  Timers,
} from '@llmos/base';
import { LlmosError, readClock } from '@llmos/base';
import { DecisionCarrier } from '../carry-out';
import { ControlLoop } from '../control-loop';
import { EDGE_LIMITS } from '../edge-limits';
import { openingFor } from '../intake/intake-opening';
import type { CoreCounts, KernelCore } from '../core';
import type { IntakeEvent, KernelEvent } from '../kernel-event';
import type { EventLog } from '../ports/event-log';
import type { KernelCounters } from '../ports/kernel-counters';
import type { NodeLink } from '../ports/node-link';
import type { ProcessLink } from '../ports/process-link';
import type { RegistryStore } from '../ports/registry-store';
import type { RequestLink, ServedRequests } from '../ports/request-link';
import type { PublishedTask, TaskStream } from '../ports/task-stream';
import type { CallerLink } from '../ports/caller-link';
import type { Leader, TaskToStore } from '../services/ahead-publisher';
import type { AttachService } from '../services/attach-service';
import { CallerWatch } from '../services/caller-watch';
import type { ModelRegistrar } from '../services/model-registration';
import type { PackageCollector } from '../services/package-collector';
import type { Registry } from '../services/registry';
import { startSystemService } from '../services/system-service';
import type { TaskSpec } from '../tasks/task-spec';

export interface ActiveLeadershipParts {
  readonly createCore: () => KernelCore;
  readonly taskStream: TaskStream;
  readonly processLink: ProcessLink;
  readonly nodeLink: NodeLink;
  readonly eventLog: EventLog;
  readonly requests: RequestLink;
  readonly registry: Registry;
  readonly registryStore: RegistryStore;
  readonly registrar: ModelRegistrar;
  readonly packageCollector: Pick<PackageCollector, 'begin' | 'end'>;
  readonly attachService: AttachService;
  readonly callerLink: CallerLink;
  readonly counters: KernelCounters;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly kernelId: KernelId;
  readonly info: (epoch: Epoch, counts: CoreCounts) => Promise<SystemInfo>;
  readonly limits: (tenant: TenantId) => readonly LimitRow[];
  readonly isLeading: () => boolean;
  /** Tasks beyond it wait in their stream. */
  readonly maxHeldTasks: number;
  /** The same for what they weigh. */
  readonly maxHeldBytes: number;
  /** Whether more results can be stored; without, no more tasks are taken in. */
  readonly hasResultRoom: () => boolean;
  /** Why a task that was stored is kept out, where its tenant has taken its share of the results. */
  readonly refusalOf: (spec: TaskSpec) => ErrorBody | undefined;
  /** The leadership can't go on; called at most once. */
  readonly onFailure: (error: unknown) => void;
}

export class ActiveLeadership implements Leader {
  readonly core: KernelCore;
  private readonly loop: ControlLoop;
  private readonly carrier: DecisionCarrier;
  private served: ServedRequests | undefined;
  private unlisten: () => void = () => undefined;
  private readonly callers: CallerWatch;
  private stopLooking: CancelTimer = () => undefined;
  private isEnded = false;
  private hasBegun = false;
  private isStopping = false;
  private isHeard = false;
  private heldBackAgainAtMs = 0;
  private cancelBeginTimer: CancelTimer = () => undefined;

  constructor(
    private readonly parts: ActiveLeadershipParts,
    readonly epoch: Epoch,
  ) {
    this.core = parts.createCore();
    const deliver = (event: KernelEvent): void => this.loop.deliver(event);
    const onFailure = (error: unknown): void => this.fail(error);
    const isEnded = (): boolean => this.isEnded;
    this.carrier = new DecisionCarrier({ ...parts, deliver, isEnded, onFailure });
    this.callers = new CallerWatch({
      link: parts.callerLink,
      bound: () => this.core.boundTasks(),
      onGone: (of) => this.loop.deliver({ kind: 'caller-gone', of }),
      log: parts.log,
    });
    this.loop = new ControlLoop({
      core: this.core,
      clock: parts.clock,
      timers: parts.timers,
      counters: parts.counters,
      carryOut: (decision) => this.carrier.carryOut(decision),
      afterTick: () => this.afterTick(),
      isLeading: parts.isLeading,
      onFailure,
    });
  }

  /** Whether the core runs: intake was taken over and the first event delivered. */
  isRunning(): boolean {
    return this.hasBegun && !this.isEnded;
  }

  /** Whether its system calls are answered, too. */
  isServing(): boolean {
    return this.isRunning() && this.isHeard;
  }

  /** Never rejects; what fails goes to `onFailure`. */
  async begin(): Promise<void> {
    // What is never answered must not keep the lease from other kernels.
    this.cancelBeginTimer = this.parts.timers.after(EDGE_LIMITS.beginMs, () => {
      const message = `the leadership did not begin within ${EDGE_LIMITS.beginMs} ms`;
      this.fail(new LlmosError('UNAVAILABLE', message));
    });
    try {
      const desired = await this.parts.registryStore.readDesired();
      if (this.isEnded) return;
      this.beginLinks();
      const { lastSequence } = await this.parts.taskStream.begin(this.epoch, (event) =>
        this.takeIn(event),
      );
      if (this.isEnded) return;
      this.loop.start({
        kind: 'leadership-began',
        epoch: this.epoch,
        kernelId: this.parts.kernelId,
        recoverUpToSequence: lastSequence,
        desired,
      });
      this.hasBegun = true;
      this.cancelBeginTimer();
      this.serve();
      await this.parts.requests.heard();
      this.isHeard = true;
    } catch (error) {
      if (!this.isEnded) this.fail(error);
    } finally {
      this.cancelBeginTimer();
    }
  }

  /** Why a task is not to be stored; one that is held already takes no more room. */
  refusalOf({ subject, terms, body }: TaskToStore): ErrorBody | undefined {
    if (!this.isRunning()) return undefined;
    const { tenant } = subject;
    const refusal = this.core.refusalOf(tenant, body.length);
    const { id } = terms;
    if (refusal === undefined || id === undefined) return refusal;
    return this.core.statusOf(tenant, id).state === 'unknown' ? refusal : undefined;
  }

  /** A task whose storing was just acknowledged to a kernel. */
  takeInAhead(published: PublishedTask): void {
    if (this.isRunning() && this.parts.isLeading()) this.parts.taskStream.takeInAhead(published);
  }

  /** The lease has lapsed: nothing is done until it is regained. */
  suspend(): void {
    this.loop.suspend();
    this.parts.taskStream.suspend();
  }

  resume(): void {
    this.parts.taskStream.resume();
    this.loop.resume();
  }

  /** It ends in a moment: what it would confirm now might not be done any more. */
  stopServing(): void {
    this.isStopping = true;
  }

  async end(): Promise<void> {
    if (this.isEnded) return;
    this.isEnded = true;
    this.cancelBeginTimer();
    this.stopLooking();
    // What is asked still is refused.
    const unserved = this.served?.stop();
    this.loop.end();
    this.parts.packageCollector.end();
    this.callers.end();
    this.parts.attachService.detachAll();
    this.unlisten();
    this.parts.nodeLink.end();
    this.parts.processLink.end();
    await this.parts.taskStream.end();
    await unserved;
  }

  /** Within the bounds the stream is drained; beyond them, tasks wait where they are durable. */
  adjustIntake(): void {
    const { taskStream, clock, hasResultRoom, maxHeldTasks, maxHeldBytes } = this.parts;
    const { tasks: heldTasks, heldBytes } = this.core.counts();
    const { isHeldBack } = taskStream.setIntakeOpen(
      openingFor({
        heldTasks,
        maxHeldTasks,
        heldBytes,
        maxHeldBytes,
        waitingEvents: this.loop.backlog,
        hasResultRoom: hasResultRoom(),
      }),
    );
    const nowMs = clock.nowMs();
    if (!isHeldBack || nowMs < this.heldBackAgainAtMs) return;
    this.heldBackAgainAtMs = nowMs + EDGE_LIMITS.intakeHeldBackMs;
    this.loop.deliver({ kind: 'intake-held-back' });
  }

  private takeIn(event: IntakeEvent): void {
    const judged = this.judge(event);
    if (event.arrival === 'ahead') this.loop.deliver(judged);
    else this.loop.deliverIntake(judged);
  }

  private judge(event: IntakeEvent): IntakeEvent {
    if (event.kind !== 'task-stored') return event;
    const refusal = this.parts.refusalOf(event.spec);
    return refusal === undefined ? event : { ...event, refusal };
  }

  private beginLinks(): void {
    const { processLink, nodeLink, registry, counters } = this.parts;
    processLink.begin(this.epoch, (event) => {
      // Reports are repeated; dropping some is better than falling behind for good.
      if (this.loop.isFull()) counters.add('reports_dropped');
      else this.loop.deliver(event);
    });
    this.unlisten = registry.follow((event) => this.loop.deliver(event));
    nodeLink.begin(this.epoch, (event) => this.loop.deliver(event));
  }

  private serve(): void {
    const { requests, registry, registrar, attachService, registryStore } = this.parts;
    const { counters, clock, timers, log } = this.parts;
    const isLeading = (): boolean => !this.isEnded && this.parts.isLeading();
    this.served = startSystemService({
      requests,
      registry,
      registrar,
      attachService,
      counters,
      log,
      core: this.core,
      store: registryStore,
      deliver: (event) => this.loop.deliver(event),
      isFull: () => this.loop.isFull(),
      now: () => readClock(clock),
      limits: (tenant) => this.parts.limits(tenant),
      info: () => this.parts.info(this.epoch, this.core.counts()),
      isServing: () => !this.isEnded && !this.isStopping,
      isLeading,
    });
    this.parts.packageCollector.begin(isLeading);
    this.callers.start();
    this.stopLooking = timers.every(EDGE_LIMITS.callerLookMs, () => this.callers.look());
  }

  private afterTick(): void {
    this.carrier.beginTick();
    this.adjustIntake();
  }

  private fail(error: unknown): void {
    this.parts.log.error('leadership-failed', { epoch: this.epoch, error });
    this.parts.onFailure(error);
  }
}

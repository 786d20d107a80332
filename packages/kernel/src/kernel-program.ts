/**
 * One kernel program: the services of every kernel, the campaign for the lease, and, while it
 * leads, an ActiveLeadership. Everything it uses is given to it.
 */
import type {
  DiskWord,
  Epoch,
  LeaderRecord,
  LimitRow,
  ServerTime,
  SystemInfo,
  TaskId,
  TenantId,
  TenantTask,
} from '@llmos/base';
import { readClock, settlesWithin } from '@llmos/base';
import type { ActiveLeadershipParts } from './leadership/active-leadership';
import { ActiveLeadership } from './leadership/active-leadership';
import { EDGE_LIMITS } from './edge-limits';
import type { CoreCounts } from './core';
import { FailedLeaderships } from './leadership/failed-leaderships';
import type { Readiness, ReadinessFacts } from './kernel-readiness';
import { judgeReadiness } from './kernel-readiness';
import { LeadershipDriver } from './leadership/leadership-driver';
import type { KernelGauges } from './kernel-gauges';
import type { LeadershipStore } from './ports/leadership-store';
import type { ServedRequests } from './ports/request-link';
import type { ResultNotice, ResultStore } from './ports/result-store';
import type { StoreWatch } from './ports/store-watch';
import type { StreamLink } from './ports/stream-link';
import type { StreamReadings } from './ports/stream-readings';
import type { TaskPublisher } from './ports/task-publisher';
import type { ProgressView } from './leadership/progress-watch';
import { applyCounts, isStandingStill, isStuck } from './leadership/progress-watch';
import { AttachService } from './services/attach-service';
import { startCallService } from './services/call-service';
import { AheadPublisher } from './services/ahead-publisher';
import { FairPublisher } from './services/fair-publisher';
import { DeliveredAnswers } from './services/delivered-answers';
import type { ForeignEpochs } from './services/foreign-epochs';
import { ResultRoom } from './services/result-room';
import { ResultArrivals } from './services/result-arrivals';
import { StoredIds } from './services/stored-ids';
import { startSubmitService } from './services/submit-service';
import type { ProtobufBodyReader } from './services/task-body';
import type { TaskRequestContext } from './services/task-request';
import { KERNEL_VERSION } from './version';

type SharedParts = Omit<
  ActiveLeadershipParts,
  | 'kernelId'
  | 'attachService'
  | 'info'
  | 'limits'
  | 'isLeading'
  | 'hasResultRoom'
  | 'refusalOf'
  | 'onFailure'
>;

export interface KernelProgramParts extends SharedParts {
  readonly self: Pick<LeaderRecord, 'kernelId' | 'httpUrl' | 'grpcUrl'>;
  readonly leaseMs: number;
  /** How long results are kept that are no answers. */
  readonly resultMaxAgeMs: number;
  readonly time: ServerTime;
  readonly leadershipStore: LeadershipStore;
  readonly results: ResultStore;
  readonly streamLink: StreamLink;
  readonly publisher: TaskPublisher;
  readonly readProtobuf: ProtobufBodyReader;
  readonly streams: StreamReadings;
  readonly storeWatch: StoreWatch;
  readonly foreignEpochs: ForeignEpochs;
  readonly isConnected: () => boolean;
}

export class KernelProgram {
  private disk: Readiness['disk'];
  private readonly leadership: LeadershipDriver;
  private readonly arrivals: ResultArrivals;
  private readonly attachService: AttachService;
  private readonly room: ResultRoom;
  private readonly delivered: DeliveredAnswers;
  private readonly failures: FailedLeaderships;
  private active: ActiveLeadership | undefined;
  private progress: ProgressView | undefined;
  private stuckBoundMs: number = EDGE_LIMITS.stuckMs;
  private served: readonly ServedRequests[] = [];
  private storing: FairPublisher | undefined;
  private ending: Promise<void> | undefined;
  private timers: readonly NodeJS.Timeout[] = [];
  private stopping: Promise<void> | undefined;

  constructor(private readonly parts: KernelProgramParts) {
    const { clock, log, results } = parts;
    this.failures = new FailedLeaderships(parts);
    this.room = new ResultRoom({
      readings: parts.streams,
      results,
      resultMaxAgeMs: parts.resultMaxAgeMs,
      nowMs: () => clock.nowMs(),
      wallMs: () => parts.time.wallMs(),
    });
    this.delivered = new DeliveredAnswers({
      nowMs: () => clock.nowMs(),
      capacityBytes: () => this.room.answersCapacityBytes(),
      forget: (place) => results.forget(place),
    });
    this.leadership = new LeadershipDriver({
      store: parts.leadershipStore,
      clock,
      log,
      leaseMs: parts.leaseMs,
      self: parts.self,
      onGranted: (epoch) => this.beginLeadership(epoch),
      onLapsed: () => this.suspendLeadership(),
      onRegained: () => this.resumeLeadership(),
      onLost: () => this.endLeadership(),
      onForeign: () => parts.foreignEpochs.noteRecord(),
    });
    this.arrivals = new ResultArrivals({
      ...parts,
      onCommitted: (of, notice) => this.noteStored(of, notice),
    });
    this.attachService = new AttachService({
      ...parts,
      streams: parts.streamLink,
      waiters: this.arrivals.readers,
      statusOf: (tenant, task) => this.core()?.statusOf(tenant, task) ?? { state: 'unknown' },
    });
  }

  async start(): Promise<void> {
    const { parts, arrivals } = this;
    await arrivals.watch();
    this.storing = new FairPublisher(this.room.guard(parts.publisher), EDGE_LIMITS);
    const publisher = new AheadPublisher(this.storing, () => this.active);
    const storedIds = new StoredIds({
      maxIds: EDGE_LIMITS.maxStoredIds,
      nowMs: () => parts.clock.nowMs(),
    });
    const heldIdentity = (of: TenantTask) => this.core()?.identityOf(of.tenant, of.task);
    const context = this.requestContext();
    const shared = { ...parts, publisher, storedIds, heldIdentity, context };
    this.served = [
      startSubmitService({
        ...shared,
        readResult: (of) => parts.results.readForTask(of),
        isHeld: (tenant, task) => this.isHeld(tenant, task),
      }),
      startCallService({ ...shared, waiters: arrivals.calls, delivered: this.delivered }),
    ];
    this.timers = [
      setInterval(() => arrivals.sweep(), EDGE_LIMITS.waiterSweepMs),
      setInterval(() => this.checkProgress(), EDGE_LIMITS.stuckCheckMs),
      setInterval(() => void this.lookAtRoom(), EDGE_LIMITS.resultRoomLookMs),
    ];
    void this.lookAtRoom();
    await parts.requests.heard();
    this.leadership.start();
  }

  private noteStored(of: TenantTask, notice: ResultNotice): void {
    this.room.noteStored(of, notice);
    // One kernel sees to refusals, whoever reads them; others' calls note only what is a result.
    const isRefusal = notice.refusedSequence !== undefined;
    if (isRefusal && this.isLeading()) this.delivered.note(notice.place, notice.bodyBytes);
  }

  /** Takes nothing new, stores what came, answers who waits, then releases the lease. May be called twice. */
  stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  isLeading(): boolean {
    return this.leadership.isLeading() && this.active?.isRunning() === true;
  }

  /** Where node agents go; '' while nobody leads. */
  leaderUrl(): string {
    const leader = this.leadership.leader();
    return leader === undefined || leader.isReleased ? '' : leader.grpcUrl;
  }

  readiness(): Readiness {
    const disk = this.disk === undefined ? {} : { disk: this.disk };
    return { ...judgeReadiness(this.facts()), clock: this.parts.time.reading(), ...disk };
  }

  tellDisk({ level, freeBytes }: DiskWord): void {
    this.disk = { level, freeBytes };
  }

  private facts(): ReadinessFacts {
    const { parts, leadership, progress } = this;
    const leader = leadership.leader();
    const nowMs = parts.clock.nowMs();
    return {
      isStopping: this.stopping !== undefined,
      diskLevel: this.disk?.level,
      isConnected: parts.isConnected(),
      hasLease: leadership.isLeading(),
      isWatching: leader !== undefined && parts.registry.isReady(),
      isOtherLeading: leader?.isReleased === false && leader.kernelId !== parts.self.kernelId,
      failure: this.failures.reason,
      isRunning: this.active?.isServing() === true,
      isSlow: progress !== undefined && isStuck(progress, EDGE_LIMITS.stuckMs / 2, nowMs),
      lost: parts.storeWatch.lost(),
      hasResultRoom: this.room.hasRoom(),
    };
  }

  gauges(): KernelGauges {
    return {
      counts: () => this.core()?.counts(),
      isLeading: () => this.isLeading(),
      epoch: () => this.active?.epoch ?? 0,
      waitingCalls: () => this.arrivals.calls.count,
      attachedReaders: () => this.attachService.count,
      processes: () => this.core()?.processes(readClock(this.parts.clock)) ?? [],
      models: () => this.core()?.models() ?? [],
      nodes: () => this.core()?.nodes(readClock(this.parts.clock)) ?? [],
      streams: this.parts.streams,
      clock: () => this.parts.time.reading(),
    };
  }

  private core(): ActiveLeadership['core'] | undefined {
    return this.active?.isRunning() === true ? this.active.core : undefined;
  }

  private isHeld(tenant: TenantId, task: TaskId): boolean {
    const status = this.core()?.statusOf(tenant, task);
    return status !== undefined && status.state !== 'unknown';
  }

  private requestContext(): TaskRequestContext {
    const { registry, publisher, readProtobuf } = this.parts;
    return {
      functionOf: (name) => registry.functionOf(name),
      inputCheckOf: (name) => registry.inputCheckOf(name),
      functionNames: () => registry.functions().map((definition) => definition.name),
      readProtobuf,
      maxBodyBytes: () => publisher.maxBodyBytes(),
    };
  }

  private beginLeadership(epoch: Epoch): void {
    // Another one may have it at once.
    if (this.stopping !== undefined) return this.giveUp();
    const { parts } = this;
    parts.counters.add('leaderships', 'began');
    this.progress = undefined;
    const active = new ActiveLeadership(
      {
        ...parts,
        kernelId: parts.self.kernelId,
        attachService: this.attachService,
        info: (of, counts) => this.info(of, counts),
        limits: (tenant) => this.limits(tenant),
        isLeading: () => this.leadership.isLeading(),
        hasResultRoom: () => this.room.hasRoom(),
        refusalOf: (spec) => this.room.refusalOf(spec),
        onFailure: (error) => this.giveUp(this.failures.note(error)),
      },
      epoch,
    );
    this.active = active;
    parts.storeWatch.begin();
    void active.begin();
  }

  /** One that has only begun to take over has nothing to keep. */
  private suspendLeadership(): void {
    if (this.active?.isRunning() !== true) return this.giveUp();
    this.active.suspend();
  }

  private resumeLeadership(): void {
    // The time without the lease was no time without progress.
    this.progress = undefined;
    this.active?.resume();
  }

  private endLeadership(): void {
    this.parts.counters.add('leaderships', 'ended');
    this.parts.storeWatch.end();
    const ended = this.active;
    this.active = undefined;
    this.ending = ended?.end().catch((error: unknown) => {
      this.parts.log.warn('leadership-end-failed', { error });
    });
  }

  private giveUp(waitMs?: number): void {
    this.leadership.giveUp(waitMs).catch((error: unknown) => {
      this.parts.log.warn('lease-release-failed', { error });
    });
  }

  private async lookAtRoom(): Promise<void> {
    await this.room.look();
    if (this.active?.isRunning() === true) this.active.adjustIntake();
  }

  private checkProgress(): void {
    const core = this.core();
    if (core === undefined) return;
    this.failures.clear();
    const nowMs = this.parts.clock.nowMs();
    const counts = core.counts();
    this.progress = applyCounts(this.progress, counts, nowMs);
    if (!isStandingStill(counts)) return;
    if (!isStuck(this.progress, this.stuckBoundMs, nowMs)) return;
    this.parts.log.error('leader-without-progress', { counts, boundMs: this.stuckBoundMs });
    this.stuckBoundMs = Math.min(2 * this.stuckBoundMs, EDGE_LIMITS.maxStuckMs);
    this.giveUp();
  }

  private limits(tenant: TenantId): readonly LimitRow[] {
    const tasks = this.core()?.taskRoom(tenant);
    return [
      ...(tasks === undefined ? [] : [{ name: 'tasks', ...tasks } as const]),
      { name: 'calls', ...this.arrivals.calls.roomOf(tenant) },
      { name: 'readers', ...this.attachService.roomOf(tenant) },
      ...this.room.limitsOf(tenant),
    ];
  }

  private async info(epoch: Epoch, counts: CoreCounts): Promise<SystemInfo> {
    const { streams, intake } = await this.parts.streams.read();
    return {
      kernel: this.parts.self.kernelId,
      epoch,
      version: KERNEL_VERSION,
      httpUrl: this.parts.self.httpUrl,
      queued: counts.queued,
      running: counts.running,
      tasks: counts.tasks,
      waitingCalls: this.arrivals.calls.count,
      isRecovering: counts.isRecovering,
      blocked: this.core()?.blocked(readClock(this.parts.clock)) ?? [],
      clock: this.parts.time.reading(),
      foreignEpochs: { ...this.parts.foreignEpochs.seen(), messages: counts.foreignMessages },
      streams,
      intake,
    };
  }

  private async shutDown(): Promise<void> {
    this.active?.stopServing();
    await this.finishInTime();
    for (const timer of this.timers) clearInterval(timer);
    this.arrivals.stop();
    await this.leadership.stop();
    await this.ending;
    await this.parts.results.close();
  }

  /** What takes too long is refused, and may be asked of another kernel. */
  private async finishInTime(): Promise<void> {
    const finished = this.finish(); // Where the server is away, nothing is waited for.
    if (!this.parts.isConnected()) return;
    if (await settlesWithin(finished, EDGE_LIMITS.finishMs)) return;
    this.parts.requests.refuseRest();
    this.storing?.refuseRest();
    await settlesWithin(finished, EDGE_LIMITS.finishMs);
  }

  /** Handles what was asked before the stop; what comes later is another kernel's. */
  private async finish(): Promise<void> {
    await Promise.all(this.served.map((kind) => kind.stop()));
    await this.parts.requests.finish();
    await this.storing?.idle();
  }
}

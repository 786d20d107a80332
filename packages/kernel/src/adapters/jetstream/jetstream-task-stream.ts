/**
 * The durable side of tasks on JetStream: the intake, which lives here, and what is stored of tasks
 * beside their messages (task-records.ts). One writer per leadership.
 */
import type {
  BodyFormat,
  Epoch,
  Logger,
  Result,
  ServerTime,
  TaskClass,
  TaskId,
  TaskIdentity,
  TenantId,
} from '@llmos/base';
import { LlmosError, STREAMS, TASK_CLASSES, failure, systemTimers } from '@llmos/base';
import { describeApiError } from '@llmos/wire';
import type { Delivery, JetStreamManager, Msg, NatsConnection, StoredMsg } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { mayTakeIn } from '../../intake/intake-gate';
import { IntakePace, type LoopReading } from '../../intake/intake-pace';
import { TakenTasks } from '../../intake/taken-tasks';
import type { IntakeEvent } from '../../kernel-event';
import type { KernelCounters } from '../../ports/kernel-counters';
import type {
  CommittedResult,
  DeadLetter,
  IntakeOpening,
  LookedUp,
  PublishedTask,
  TaskStream,
} from '../../ports/task-stream';
import type { ForeignEpochs } from '../../services/foreign-epochs';
import type { IntakeContext } from '../../services/task-intake';
import { StoreLanes } from '../../services/store-lanes';
import { refuseSubject } from '../../services/task-intake';
import type { AttemptRecord, TaskSpec } from '../../tasks/task-spec';
import type { EncodedResult } from '../protobuf/codec';
import type { KnownOfTask } from './backlog-reads';
import { BacklogReads } from './backlog-reads';
import { whileUnavailable } from './connection';
import { intakeConsumerName, remakeConsumer, takeOverConsumers } from './intake-consumers';
import { IntakePull } from './intake-pull';
import type { Reconnect } from './recent-acks';
import { RecentAcks, followServer } from './recent-acks';
import type { ResultReads } from './result-reads';
import { deleteMessage } from './message-deletion';
import { MessageReader } from './message-reader';
import { RefusedSubjects } from './refused-subjects';
import { SkippedTasks } from './skipped-tasks';
import type { StrayTask } from './stray-tasks';
import { StrayTasks } from './stray-tasks';
import type { SlowLane } from './slow-lane';
import { TaskRecords } from './task-records';

export interface TaskStreamOptions {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly log: Logger;
  readonly counters: KernelCounters;
  readonly intake: IntakeContext;
  readonly reads: ResultReads;
  readonly slowLane: SlowLane;
  readonly bodyCacheBytes: number;
  readonly time: ServerTime;
  readonly encodeResult: (result: Result, format: BodyFormat) => EncodedResult;
  /** See TakeoverOptions. */
  readonly readEpoch: () => Promise<Epoch | undefined>;
  readonly foreignEpochs: ForeignEpochs;
}

/** Of a task that no other leader has seen. */
const NOT_TRIED: KnownOfTask = { isCommitted: 'unknown', row: undefined };
const ALL_OPEN: IntakeOpening = { interactive: true, standard: true, batch: true };

/** What takes tasks in for one leadership. */
interface LedIntake {
  readonly epoch: Epoch;
  readonly pace: IntakePace;
  readonly pulls: readonly IntakePull[];
  readonly lanes: StoreLanes;
  readonly taken: TakenTasks;
  readonly aheadTimer: NodeJS.Timeout;
  readonly strays: StrayTasks;
  readonly skipped: SkippedTasks;
  readonly backlog: BacklogReads;
  /** Tasks after this one were never seen by another leader. */
  readonly lastSequence: number;
}

export class JetStreamTaskStream implements TaskStream {
  private readonly records: TaskRecords;
  private active: LedIntake | undefined;
  private readonly reader: MessageReader;
  private readonly recentAcks = new RecentAcks();
  private readonly refused: RefusedSubjects;
  private open = ALL_OPEN;
  private isSuspended = false;
  /** Rises with every begin and end, so that a late begin notices that it was ended. */
  private generation = 0;

  constructor(private readonly options: TaskStreamOptions) {
    this.records = new TaskRecords(options);
    this.reader = new MessageReader(options);
    this.refused = new RefusedSubjects(options);
    followServer(options, (reconnect) => this.onReconnected(reconnect));
  }

  async begin(
    epoch: Epoch,
    deliver: (event: IntakeEvent) => void,
  ): Promise<{ lastSequence: number }> {
    const generation = ++this.generation;
    const { manager, log, counters, foreignEpochs } = this.options;
    const isEnded = (): boolean => generation !== this.generation;
    const onForeign = (): void => foreignEpochs.noteConsumer();
    await takeOverConsumers({ ...this.options, epoch, isEnded, onForeign });
    // After the old consumers are gone: no other leader was given anything later.
    const waiting = { log, waitMs: EDGE_LIMITS.takeoverWaitMs };
    const info = await whileUnavailable(waiting, () => manager.streams.info(STREAMS.tasks));
    const lastSequence = info.state.last_seq;
    if (isEnded()) return { lastSequence };
    const nowMs = (): number => performance.now();
    const read = (): LoopReading => performance.eventLoopUtilization();
    const pace = new IntakePace({ read, nowMs, lastSequence });
    const pulls = TASK_CLASSES.map((taskClass) => this.createPull({ epoch, taskClass, pace }));
    const lanes = new StoreLanes({
      ...{ log, counters, nowMs, timers: systemTimers },
      describe: describeApiError,
    });
    const onStray = (stray: StrayTask): Promise<void> => this.endStray(stray);
    const strays = new StrayTasks({ manager, log, onStray });
    const skipped: SkippedTasks = new SkippedTasks({
      manager,
      log,
      consumerOf: (taskClass) => intakeConsumerName(epoch, taskClass),
      isHeld: (sequence) => taken.has(sequence),
      isOpen: (taskClass) => this.isOpen(taskClass),
      onSkipped: (stored) => this.takeSkipped(stored),
      onOther: (stored) => strays.take(stored),
      seenTo: () => strays.pending,
    });
    const backlog = new BacklogReads({ ...this.options, waiting: info.state.messages });
    this.open = ALL_OPEN;
    this.isSuspended = false;
    this.recentAcks.takeAll();
    const taken: TakenTasks = new TakenTasks({
      ...{ lastSequence, nowMs },
      bodyCacheBytes: this.options.bodyCacheBytes,
      bringIn: (event) => this.bringIn({ deliver, lanes }, event),
      acknowledge: (reply) => this.acknowledgeDelivery(reply),
      deleteMessage: (sequence) => this.deleteMessage(sequence),
      isPassedOver: (sequence) => skipped.hasTakenIn(sequence),
    });
    const aheadTimer = setInterval(() => {
      if (!this.isSuspended) taken.look();
    }, EDGE_LIMITS.aheadLookMs);
    const intake = { pace, pulls, taken, aheadTimer, strays, skipped, backlog };
    this.active = { epoch, lanes, lastSequence, ...intake };
    backlog.begin();
    for (const pull of pulls) pull.pump();
    strays.begin();
    skipped.begin();
    return { lastSequence };
  }

  takeInAhead(published: PublishedTask): void {
    const { active } = this;
    if (active === undefined) return;
    active.pace.noteCall();
    if (!this.isOpen(published.subject.class)) return;
    active.taken.takeAhead(published, (task) => this.reader.readPublished(task));
  }

  setIntakeOpen(open: IntakeOpening): { isHeldBack: boolean } {
    this.open = open;
    for (const pull of this.active?.pulls ?? []) pull.pump();
    return { isHeldBack: !TASK_CLASSES.every((taskClass) => this.isOpen(taskClass)) };
  }

  suspend(): void {
    this.isSuspended = true;
    this.active?.lanes.suspend();
  }

  resume(): void {
    this.isSuspended = false;
    this.active?.lanes.resume();
    for (const pull of this.active?.pulls ?? []) pull.pump();
  }

  async end(): Promise<void> {
    this.generation += 1;
    const ended = this.active;
    this.active = undefined;
    for (const pull of ended?.pulls ?? []) pull.end();
    clearInterval(ended?.aheadTimer);
    ended?.strays.end();
    ended?.skipped.end();
    ended?.backlog.end();
    ended?.lanes.end();
    ended?.taken.clear();
    this.options.slowLane.flush();
    return Promise.resolve();
  }

  async lookUp(spec: TaskSpec): Promise<LookedUp> {
    const { lanes, lastSequence, backlog } = this.leadership();
    const mayHaveRun = spec.sequence <= lastSequence;
    const known = mayHaveRun ? await backlog.of(spec) : NOT_TRIED;
    return this.records.lookUp(lanes, spec, { known, mayHaveRun });
  }

  recordAttempt(spec: TaskSpec, record: AttemptRecord): Promise<void> {
    return this.records.recordAttempt(this.leadership().lanes, spec, record);
  }

  commitResult(of: CommittedResult): Promise<TaskIdentity | undefined> {
    return this.records.commitResult(this.leadership().lanes, of);
  }

  storeDeadLetter(letter: DeadLetter): Promise<void> {
    return this.records.storeDeadLetter(this.leadership().lanes, letter);
  }

  acknowledge(sequence: number, forget?: { tenant: TenantId; task: TaskId }): void {
    if (this.active?.taken.end(sequence) === true) this.active.skipped.noteGone(sequence);
    if (forget !== undefined) this.records.forgetAttempts(forget);
  }

  bodyOf(sequence: number): Uint8Array | undefined {
    return this.active?.taken.bodyOf(sequence);
  }

  private acknowledgeDelivery(reply: string): void {
    this.options.slowLane.push(reply);
    this.recentAcks.add(reply);
  }

  private async deleteMessage(sequence: number): Promise<void> {
    await deleteMessage(this.options.manager, { stream: STREAMS.tasks, sequence });
    this.active?.skipped.noteGone(sequence);
  }

  private createPull(of: {
    readonly epoch: Epoch;
    readonly taskClass: TaskClass;
    readonly pace: IntakePace;
  }): IntakePull {
    const { epoch, taskClass, pace } = of;
    const { manager, log, connection } = this.options;
    const consumer = intakeConsumerName(epoch, taskClass);
    return new IntakePull({
      connection,
      log,
      consumer,
      pace,
      isOpen: () => this.isOpen(taskClass),
      onMessage: (msg, delivery) => this.take(taskClass, msg, delivery),
      lastDelivery: async () => {
        const { delivered } = await manager.consumers.info(STREAMS.tasks, consumer);
        return delivered.consumer_seq;
      },
      remake: () =>
        this.isSuspended
          ? Promise.reject(new LlmosError('ABORTED', 'the lease has lapsed'))
          : remakeConsumer({ connection, manager, epoch }, taskClass),
    });
  }

  private isOpen(taskClass: TaskClass): boolean {
    const { active, open: opening, isSuspended } = this;
    return mayTakeIn(taskClass, {
      opening,
      isSuspended,
      isReadingBacklog: active?.backlog.isReading ?? false,
      waitingRequests: active?.lanes.waiting(taskClass) ?? 0,
    });
  }

  private leadership(): LedIntake {
    if (this.active === undefined) throw new Error('no leadership is active');
    return this.active;
  }

  /** Whether it was not known yet. */
  private take(taskClass: TaskClass, msg: Msg, delivery: Delivery): boolean {
    const { active } = this;
    if (active === undefined) return false;
    const { sequence } = delivery;
    const { reply = '', data: body } = msg;
    const outcome = active.taken.takeDelivered({ class: taskClass, sequence, reply, body }, () =>
      this.reader.readDelivered(msg, delivery),
    );
    if (outcome === 'unreadable') this.drop(msg);
    return outcome !== 'known';
  }

  private takeSkipped(stored: StoredMsg): void {
    const event = this.reader.readStored(stored);
    if (event !== undefined) this.active?.taken.takePassedOver(event, stored.data);
  }

  private bringIn(
    to: { readonly deliver: (event: IntakeEvent) => void; readonly lanes: StoreLanes },
    event: IntakeEvent,
  ): void {
    const { counters, log } = this.options;
    const { spec } = event;
    if (event.kind === 'task-malformed') {
      counters.add('tasks_malformed');
      const { error } = event;
      const { tenant, function: name } = spec;
      if (error.code === 'INTERNAL') log.error('intake-failed', { tenant, function: name, error });
    }
    if (spec.class === 'interactive') to.lanes.noteUrgent();
    counters.add('tasks_taken_in', spec.class);
    to.deliver(event);
  }

  /** A tenant that is not a token can't have a result subject either. */
  private drop(msg: Msg): void {
    this.refused.note(msg.subject);
    if (msg.reply !== undefined) this.options.connection.publish(msg.reply);
  }

  private async endStray({ subject, seq: sequence, time }: StrayTask): Promise<void> {
    const event = refuseSubject({ subject, sequence, storedWallMs: time.getTime() });
    this.refused.note(subject);
    if (event === undefined) return;
    const { spec, error } = event;
    await this.commitResult({ of: spec, class: spec.class, result: failure(error), as: 'end' });
  }

  private onReconnected(reconnect: Reconnect): void {
    for (const pull of this.active?.pulls ?? []) pull.restart(reconnect);
    // Those that were on their way with the connection.
    for (const reply of this.recentAcks.takeAll()) this.options.slowLane.push(reply);
  }
}

/**
 * The intake of a simulated kernel: hands the stream's messages to the leadership as the server's
 * consumers do, one for each class. What is stored of tasks goes the real way (TaskRecords), and so
 * does what is known of the messages that were taken in (TakenTasks).
 *
 * A consumer belongs to one epoch: with the next, it delivers nothing more, and its
 * acknowledgements touch nothing. Where the connection breaks, what comes meanwhile is lost until
 * the consumer is made anew; then everything that is not acknowledged comes again.
 */
import type {
  Epoch,
  Logger,
  ServerTime,
  TaskClass,
  TaskId,
  TaskIdentity,
  TenantId,
} from '@llmos/base';
import { STREAMS, TASK_CLASSES } from '@llmos/base';
import type { TaskRecords } from '@llmos/kernel/testing';
import {
  MessageReader,
  StoreLanes,
  TakenTasks,
  deleteMessage,
  silentCounters,
  type AttemptRecord,
  type CommittedResult,
  type DeadLetter,
  type IntakeContext,
  type IntakeEvent,
  type IntakeOpening,
  type LookedUp,
  type PublishedTask,
  type SlowLane,
  type TaskSpec,
  type TaskStream,
} from '@llmos/kernel/testing';
import type { Msg } from 'nats';
import type { Program } from '../program';
import type { Connected } from '../server/simulated-connection';
import type { StoredMessage } from '../server/memory-stream';
import { UNANSWERED } from '../server/simulated-server';
import type { World } from '../world';

export interface TaskStreamParts {
  readonly world: World;
  readonly program: Program;
  readonly connected: Connected;
  readonly records: TaskRecords;
  readonly time: ServerTime;
  readonly intake: IntakeContext;
  readonly slowLane: SlowLane;
  readonly log: Logger;
}

interface Leadership {
  readonly epoch: Epoch;
  readonly lastSequence: number;
  readonly lanes: StoreLanes;
  readonly taken: TakenTasks;
  /** Its consumers; others once they were made anew. */
  consumers: Consumers;
}

interface Consumers {
  /** How many messages of each class were delivered. */
  readonly delivered: Record<TaskClass, number>;
  /** Classes whose next message is on its way. */
  readonly pumping: Set<TaskClass>;
}

function makeConsumers(): Consumers {
  return { delivered: { interactive: 0, standard: 0, batch: 0 }, pumping: new Set() };
}

const BODY_CACHE_BYTES = 1_000;
const TAKEOVER_RETRY_MS = 250;
const AHEAD_LOOK_MS = 1_000;

export class SimulatedTaskStream implements TaskStream {
  private active: Leadership | undefined;
  private readonly reader: MessageReader;
  private open: IntakeOpening = { interactive: true, standard: true, batch: true };
  private isSuspended = false;
  private isBroken = false;

  constructor(private readonly parts: TaskStreamParts) {
    this.reader = new MessageReader(parts);
  }

  async begin(epoch: Epoch, deliver: (event: IntakeEvent) => void) {
    const { program, log } = this.parts;
    const lastSequence = await this.takeOver(epoch);
    const nowMs = (): number => program.nowMs();
    const lanes = new StoreLanes({
      ...{ log, counters: silentCounters, nowMs, timers: program },
      describe: String,
    });
    const taken = new TakenTasks({
      ...{ lastSequence, nowMs },
      bodyCacheBytes: BODY_CACHE_BYTES,
      bringIn: (event) => {
        if (event.spec.class === 'interactive') lanes.noteUrgent();
        deliver(event);
      },
      acknowledge: (reply) => this.parts.slowLane.push(reply),
      deleteMessage: (sequence) => this.deleteTask(sequence),
    });
    this.active = { epoch, lastSequence, lanes, taken, consumers: makeConsumers() };
    program.every(AHEAD_LOOK_MS, () => {
      if (!this.isSuspended && !this.isBroken) this.active?.taken.look();
    });
    this.pumpAll();
    return { lastSequence };
  }

  takeInAhead(published: PublishedTask): void {
    if (!this.isOpen(published.subject.class)) return;
    this.active?.taken.takeAhead(published, (task) => this.reader.readPublished(task));
  }

  setIntakeOpen(open: IntakeOpening): { isHeldBack: boolean } {
    this.open = open;
    this.pumpAll();
    return { isHeldBack: !TASK_CLASSES.every((taskClass) => this.isOpen(taskClass)) };
  }

  suspend(): void {
    this.isSuspended = true;
    this.active?.lanes.suspend();
  }

  resume(): void {
    this.isSuspended = false;
    this.active?.lanes.resume();
    this.pumpAll();
  }

  end(): Promise<void> {
    this.active?.lanes.end();
    this.active = undefined;
    return Promise.resolve();
  }

  lookUp(spec: TaskSpec): Promise<LookedUp> {
    const { lanes, lastSequence } = this.leadership();
    const mayHaveRun = spec.sequence <= lastSequence;
    const known = { isCommitted: 'unknown', row: mayHaveRun ? 'unknown' : undefined } as const;
    return this.parts.records.lookUp(lanes, spec, { known, mayHaveRun });
  }

  recordAttempt(spec: TaskSpec, record: AttemptRecord): Promise<void> {
    return this.parts.records.recordAttempt(this.leadership().lanes, spec, record);
  }

  commitResult(of: CommittedResult): Promise<TaskIdentity | undefined> {
    return this.parts.records.commitResult(this.leadership().lanes, of);
  }

  storeDeadLetter(letter: DeadLetter): Promise<void> {
    return this.parts.records.storeDeadLetter(this.leadership().lanes, letter);
  }

  acknowledge(sequence: number, forget?: { tenant: TenantId; task: TaskId }): void {
    this.active?.taken.end(sequence);
    if (forget !== undefined) this.parts.records.forgetAttempts(forget);
  }

  bodyOf(sequence: number): Uint8Array | undefined {
    return this.active?.taken.bodyOf(sequence);
  }

  /** A message was stored. */
  noteStored(taskClass: TaskClass): void {
    this.pump(taskClass);
  }

  /** The connection breaks, and stands again after a while. */
  breakFor(ms: number): void {
    this.isBroken = true;
    this.parts.program.after(ms, () => {
      this.isBroken = false;
      if (this.active !== undefined) this.active.consumers = makeConsumers();
      this.pumpAll();
    });
  }

  /** Acknowledgements that are on their way while it is broken are lost. */
  get isCut(): boolean {
    return this.isBroken;
  }

  private async takeOver(epoch: Epoch): Promise<number> {
    const { world, program } = this.parts;
    const of = { name: STREAMS.tasks, timeoutMs: 3_000 };
    for (;;) {
      const lastSequence = await world.server.ask(program, of, () => {
        world.consumerEpoch = Math.max(world.consumerEpoch, epoch);
        return world.server.stream(STREAMS.tasks).lastSequence;
      });
      if (lastSequence !== UNANSWERED) return lastSequence;
      await new Promise<void>((resolve) => void program.after(TAKEOVER_RETRY_MS, resolve));
    }
  }

  private leadership(): Leadership {
    if (this.active === undefined) throw new Error('no leadership is active');
    return this.active;
  }

  private isOpen(taskClass: TaskClass): boolean {
    return this.open[taskClass] && !this.isSuspended;
  }

  private pumpAll(): void {
    for (const taskClass of TASK_CLASSES) this.pump(taskClass);
  }

  /** The next message of the class, once it has stood in line and travelled. */
  private pump(taskClass: TaskClass): void {
    const { active } = this;
    const { world, program } = this.parts;
    if (active === undefined || !this.isOpen(taskClass)) return;
    const { consumers } = active;
    const next = world.tasksOf(taskClass)[consumers.delivered[taskClass]];
    if (next === undefined || consumers.pumping.has(taskClass)) return;
    consumers.pumping.add(taskClass);
    const dueMs = next.storedAtMs + world.faults.lineMs - world.time.nowMs;
    program.after(Math.max(0, dueMs) + 0.1 + world.random.next(), () => {
      consumers.pumping.delete(taskClass);
      if (this.active?.consumers !== consumers || world.consumerEpoch !== active.epoch) return;
      consumers.delivered[taskClass] += 1;
      const message = world.server.stream(STREAMS.tasks).get(next.sequence);
      if (message !== undefined && !this.isBroken) this.take(active, taskClass, message);
      this.pump(taskClass);
    });
  }

  private take(active: Leadership, taskClass: TaskClass, message: StoredMessage): void {
    const { seq: sequence, subject, data: body, header } = message;
    const reply = `$JS.ACK.${active.epoch}.${sequence}`;
    const delivered = { subject, headers: header, data: body } as unknown as Msg;
    const storedWallMs = message.time.getTime();
    const delivery = { sequence, consumerSequence: sequence, storedWallMs, pending: 0 };
    active.taken.takeDelivered({ class: taskClass, sequence, reply, body }, () =>
      this.reader.readDelivered(delivered, delivery),
    );
  }

  private deleteTask(sequence: number): Promise<void> {
    return deleteMessage(this.parts.connected.manager, { stream: STREAMS.tasks, sequence });
  }
}

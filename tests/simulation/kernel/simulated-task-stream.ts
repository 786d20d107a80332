/**
 * The intake of a simulated kernel: hands the stream's messages to the leadership as the server's
 * consumers do, one for each class. What is stored of tasks goes the real way (TaskRecords), and so
 * does what was taken in ahead of its delivery (AheadTasks).
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
  AheadTasks,
  HeldMessages,
  MessageReader,
  StoreLanes,
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
  readonly deliver: (event: IntakeEvent) => void;
  readonly lastSequence: number;
  readonly lanes: StoreLanes;
  readonly held: HeldMessages;
  readonly ahead: AheadTasks;
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
    this.active = {
      epoch,
      deliver,
      lastSequence,
      lanes: new StoreLanes({
        ...{ log, counters: silentCounters, nowMs, timers: program },
        describe: String,
      }),
      held: new HeldMessages(BODY_CACHE_BYTES),
      ahead: new AheadTasks({
        lastSequence,
        nowMs,
        deleteMessage: (sequence) => this.deleteTask(sequence),
      }),
      consumers: makeConsumers(),
    };
    program.every(AHEAD_LOOK_MS, () => {
      if (!this.isSuspended && !this.isBroken) this.active?.ahead.look();
    });
    this.pumpAll();
    return { lastSequence };
  }

  takeInAhead(published: PublishedTask): void {
    const { active } = this;
    const { subject, sequence, body } = published;
    if (active === undefined || !this.isOpen(subject.class)) return;
    if (!active.ahead.mayTakeIn({ class: subject.class, sequence })) return;
    const event = this.reader.readPublished(published);
    if (event.spec.key !== undefined) return;
    this.bringIn(active, { ...event, arrival: 'ahead' }, { reply: '', body });
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
    const reply = this.active?.held.release(sequence);
    if (reply === '') this.active?.ahead.noteEnded(sequence);
    else if (reply !== undefined) this.parts.slowLane.push(reply);
    if (forget !== undefined) this.parts.records.forgetAttempts(forget);
  }

  bodyOf(sequence: number): Uint8Array | undefined {
    return this.active?.held.bodyOf(sequence);
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
    const arrival = active.ahead.noteDelivered({ class: taskClass, sequence });
    if (arrival === 'ended') this.parts.slowLane.push(reply);
    if (arrival === 'ended' || active.held.renew(sequence, reply)) return;
    const delivered = { subject, headers: header, data: body } as unknown as Msg;
    const storedWallMs = message.time.getTime();
    const pending = 0;
    const event = this.reader.readDelivered(delivered, {
      sequence,
      consumerSequence: sequence,
      storedWallMs,
      pending,
    });
    if (event === undefined) return;
    this.bringIn(active, arrival === 'again' ? { ...event, arrival } : event, { reply, body });
  }

  private bringIn(
    active: Leadership,
    event: IntakeEvent,
    message: { readonly reply: string; readonly body: Uint8Array },
  ): void {
    if (event.spec.class === 'interactive') active.lanes.noteUrgent();
    active.held.hold(event.spec.sequence, message.reply, message.body);
    active.deliver(event);
  }

  private deleteTask(sequence: number): Promise<void> {
    return deleteMessage(this.parts.connected.manager, { stream: STREAMS.tasks, sequence });
  }
}

/**
 * Tasks that the server passes over: where messages of one subject end out of order so that one is
 * left, nats-server 2.9 believes that the subject begins at one that is gone, and gives the rest
 * to no new consumer (2.10 and later do). The leader finds them by counting (see MissingTasks,
 * which decides): here the stream is read. So it comes upon stray tasks, too.
 *
 * One that is taken in has no delivery to acknowledge, so its message is deleted once its task has
 * ended.
 */
import type { Logger, TaskClass } from '@llmos/base';
import { STREAMS, TASK_CLASSES, parseTaskSubject } from '@llmos/base';
import { describeApiError, readNext, readSequence } from '@llmos/wire';
import type { JetStreamManager, StoredMsg } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { LineReading, Reach, StreamReading } from '../../intake/missing-tasks';
import { MissingTasks, reachOf } from '../../intake/missing-tasks';

export interface SkippedTasksOptions {
  readonly manager: JetStreamManager;
  readonly log: Logger;
  readonly consumerOf: (taskClass: TaskClass) => string;
  readonly isHeld: (sequence: number) => boolean;
  /** Whether tasks of the class may be taken in now. */
  readonly isOpen: (taskClass: TaskClass) => boolean;
  /** Takes it in, so that it is held. Must not throw. */
  readonly onSkipped: (stored: StoredMsg) => void;
  /**
   * Of no class: true where it will leave the stream. It is asked again while it is there. Must
   * not throw.
   */
  readonly onOther: (stored: StoredMsg) => boolean;
  /** Those of no class that somebody is about to end. */
  readonly seenTo: () => number;
}

export class SkippedTasks {
  private timer: NodeJS.Timeout | undefined;
  private isEnded = false;
  private readonly missing = new MissingTasks();

  constructor(private readonly options: SkippedTasksOptions) {}

  begin(): void {
    this.lookIn(EDGE_LIMITS.skippedLookMs);
  }

  end(): void {
    this.isEnded = true;
    clearTimeout(this.timer);
  }

  hasTakenIn(sequence: number): boolean {
    return this.missing.hasTakenIn(sequence);
  }

  /** Its message was deleted, or acknowledged after all. */
  noteGone(sequence: number): void {
    this.missing.noteGone(sequence);
  }

  private lookIn(waitMs: number): void {
    this.timer = setTimeout(() => void this.run(), waitMs);
  }

  private async run(): Promise<void> {
    let pauseMs: number = EDGE_LIMITS.skippedLookMs;
    try {
      pauseMs = await this.look();
    } catch (error) {
      const reason = describeApiError(error);
      if (!this.isEnded) this.options.log.debug('skipped-look-failed', { reason });
    }
    if (!this.isEnded) this.lookIn(pauseMs);
  }

  /** @returns how long until the next look. */
  private async look(): Promise<number> {
    await this.takeInSuspects();
    const reach = await this.readReach();
    const judged = this.missing.judge(reach, this.options.seenTo());
    if (judged === 'walk' && (await this.walk(reach))) this.missing.endWalk(reach);
    return this.missing.pauseMs(judged);
  }

  private async takeInSuspects(): Promise<void> {
    const { manager, log, isHeld, isOpen, onSkipped } = this.options;
    let count = 0;
    for (const [sequence, taskClass] of this.missing.suspects) {
      if (!isOpen(taskClass)) continue;
      const stored = await readSequence(manager, STREAMS.tasks, sequence);
      if (this.isEnded) return;
      if (!isOpen(taskClass)) continue;
      const isSkipped = stored !== undefined && !isHeld(sequence);
      if (isSkipped) onSkipped(stored);
      if (isSkipped) count += 1;
      this.missing.settle(sequence, isSkipped ? 'taken-in' : 'gone');
    }
    if (count > 0) log.warn('tasks-skipped', { count });
  }

  private async readReach(): Promise<Reach> {
    const before = await this.readStream();
    const lines: LineReading[] = [];
    for (const taskClass of TASK_CLASSES) lines.push(await this.readLine(taskClass));
    return reachOf({ before, lines, after: await this.readStream() });
  }

  private async readStream(): Promise<StreamReading> {
    const { state } = await this.options.manager.streams.info(STREAMS.tasks);
    const { messages, first_seq: firstSequence, last_seq: lastSequence } = state;
    return { messages, firstSequence, lastSequence };
  }

  private async readLine(taskClass: TaskClass): Promise<LineReading> {
    const { manager, consumerOf } = this.options;
    const info = await manager.consumers.info(STREAMS.tasks, consumerOf(taskClass));
    return {
      class: taskClass,
      unacknowledged: info.num_ack_pending,
      waiting: info.num_pending,
      deliveredSequence: info.delivered.stream_seq,
    };
  }

  /** Whether it came to the end. */
  private async walk(reach: Reach): Promise<boolean> {
    const { manager, isHeld, onOther } = this.options;
    for (let reads = 0; reads < EDGE_LIMITS.maxStrayReads; reads += 1) {
      const sequence = this.missing.step(reach, isHeld);
      if (this.isEnded || sequence === undefined) return true;
      const stored = await readNext(manager, STREAMS.tasks, { sequence });
      if (stored === undefined || stored.seq > reach.lastSequence) return true;
      const taskClass = parseTaskSubject(stored.subject)?.class;
      const leaves = taskClass === undefined && onOther(stored);
      this.missing.see({ sequence: stored.seq, class: taskClass, leaves }, reach, isHeld);
    }
    return false;
  }
}

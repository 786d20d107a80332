/**
 * Tasks that the server passes over: where messages of one subject end out of order so that one is
 * left, nats-server 2.9 believes that the subject begins at one that is gone, and gives the rest
 * to no new consumer (2.10 and later do). The leader finds them by counting: what is stored, and
 * neither delivered nor waiting in the line of a class. So it comes upon stray tasks, too.
 *
 * - P1 Only what its consumer has passed. The stream is walked only where something is missing, and
 *   in it only what is not held: never what merely waits in line.
 * - P2 Each is seen twice, a look apart: an acknowledgement or a delivery may be on its way.
 * - P3 It has no delivery to acknowledge, so its message is deleted once its task has ended.
 */
import type { Logger, TaskClass } from '@llmos/base';
import { STREAMS, TASK_CLASSES, parseTaskSubject } from '@llmos/base';
import { describeApiError, readNext, readSequence } from '@llmos/wire';
import type { JetStreamManager, StoredMsg } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';

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
}

interface Reach {
  /** Messages that no consumer has delivered or will; never more than there are. */
  readonly missing: number;
  /** How far each class was delivered. */
  readonly passed: ReadonlyMap<TaskClass, number>;
  readonly firstSequence: number;
  /** Where the walk ends. */
  readonly lastSequence: number;
  readonly isLineEmpty: boolean;
}

export class SkippedTasks {
  private timer: NodeJS.Timeout | undefined;
  private isEnded = false;
  /** Where the walk goes on; a long one takes several looks. */
  private nextSequence = 1;
  /** Seen once. */
  private readonly suspects = new Map<number, TaskClass>();
  private readonly takenIn = new Set<number>();
  /** As many are missing for another reason: a whole walk found no more. */
  private explained = 0;
  /** Seen by the present walk and of no class, which leave the stream. */
  private leaving = 0;

  constructor(private readonly options: SkippedTasksOptions) {}

  begin(): void {
    this.lookIn(EDGE_LIMITS.skippedLookMs);
  }

  end(): void {
    this.isEnded = true;
    clearTimeout(this.timer);
  }

  hasTakenIn(sequence: number): boolean {
    return this.takenIn.has(sequence);
  }

  /** Its message was deleted, or acknowledged after all. */
  noteGone(sequence: number): void {
    this.takenIn.delete(sequence);
  }

  private lookIn(waitMs: number): void {
    this.timer = setTimeout(() => void this.run(), waitMs);
  }

  private async run(): Promise<void> {
    let isDone = false;
    try {
      isDone = await this.look();
    } catch (error) {
      const reason = describeApiError(error);
      if (!this.isEnded) this.options.log.debug('skipped-look-failed', { reason });
    }
    if (!this.isEnded) this.lookIn(isDone ? EDGE_LIMITS.strayLookMs : EDGE_LIMITS.skippedLookMs);
  }

  /** Whether nothing is left to look for soon. */
  private async look(): Promise<boolean> {
    await this.takeInSuspects();
    const reach = await this.readReach();
    const seen = this.suspects.size;
    const missing = reach.missing - this.takenIn.size - seen;
    this.explained = Math.max(0, Math.min(this.explained, missing));
    if (missing <= this.explained) {
      this.nextSequence = 1;
      return reach.isLineEmpty && seen === 0;
    }
    this.leaving = this.nextSequence === 1 ? 0 : this.leaving;
    // While a line is left, the walk ends where it begins, and goes on from there.
    if ((await this.walk(reach)) && reach.isLineEmpty) {
      this.nextSequence = 1;
      this.explained = Math.max(0, missing + seen - this.suspects.size - this.leaving);
    }
    return false;
  }

  private async takeInSuspects(): Promise<void> {
    const { manager, log, isHeld, isOpen, onSkipped } = this.options;
    const before = this.takenIn.size;
    for (const [sequence, taskClass] of this.suspects) {
      if (!isOpen(taskClass)) continue;
      const stored = await readSequence(manager, STREAMS.tasks, sequence);
      if (this.isEnded) return;
      if (!isOpen(taskClass)) continue;
      this.suspects.delete(sequence);
      if (stored === undefined || isHeld(sequence)) continue;
      onSkipped(stored);
      this.takenIn.add(sequence);
    }
    const count = this.takenIn.size - before;
    if (count > 0) log.warn('tasks-skipped', { count });
  }

  /** What comes or ends while it is read makes fewer seem to be missing, never more. */
  private async readReach(): Promise<Reach> {
    const { manager, consumerOf } = this.options;
    const { state: before } = await manager.streams.info(STREAMS.tasks);
    const passed = new Map<TaskClass, number>();
    let delivered = 0;
    let inLine = 0;
    let lastDelivered = 0;
    for (const taskClass of TASK_CLASSES) {
      const info = await manager.consumers.info(STREAMS.tasks, consumerOf(taskClass));
      delivered += info.num_ack_pending;
      inLine += info.num_pending;
      lastDelivered = Math.max(lastDelivered, info.delivered.stream_seq);
      const isAtEnd = info.num_pending === 0;
      passed.set(taskClass, isAtEnd ? before.last_seq : info.delivered.stream_seq);
    }
    const { state } = await manager.streams.info(STREAMS.tasks);
    const meanwhile = state.last_seq - before.last_seq;
    return {
      missing: state.messages - meanwhile - delivered - inLine,
      passed,
      firstSequence: state.first_seq,
      lastSequence: inLine === 0 ? before.last_seq : lastDelivered,
      isLineEmpty: inLine === 0,
    };
  }

  /** Whether it came to the end. */
  private async walk({ passed, firstSequence, lastSequence }: Reach): Promise<boolean> {
    this.nextSequence = Math.max(this.nextSequence, firstSequence);
    for (let reads = 0; reads < EDGE_LIMITS.maxStrayReads; reads += 1) {
      while (this.isKnown(this.nextSequence)) this.nextSequence += 1;
      if (this.isEnded || this.nextSequence > lastSequence) return true;
      const stored = await readNext(this.options.manager, STREAMS.tasks, {
        sequence: this.nextSequence,
      });
      if (stored === undefined || stored.seq > lastSequence) return true;
      this.nextSequence = stored.seq + 1;
      const taskClass = parseTaskSubject(stored.subject)?.class;
      if (taskClass === undefined && this.options.onOther(stored)) this.leaving += 1;
      const isPassed = taskClass !== undefined && stored.seq <= (passed.get(taskClass) ?? 0);
      if (isPassed && !this.isKnown(stored.seq)) this.suspects.set(stored.seq, taskClass);
    }
    return false;
  }

  private isKnown(sequence: number): boolean {
    return this.options.isHeld(sequence) || this.takenIn.has(sequence);
  }
}

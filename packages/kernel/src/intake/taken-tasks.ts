/**
 * What one leadership has taken in of the stream of tasks and not acknowledged: says of each
 * arrival of a message whether it is new, and of each end how its message leaves the stream. Knows
 * no transport; sole owner of the messages that are held.
 *
 * - T1 While a message is held, it is brought in no second time; only its latest delivery can be
 *   acknowledged.
 * - T2 What was acknowledged may be delivered once more where that was lost on its way: it is
 *   brought in as `again`, and its look-up finds its result.
 * - T3 What ended undelivered leaves with its delivery, or is deleted where none comes (A4).
 */
import type { TaskClass } from '@llmos/base';
import type { IntakeEvent } from '../kernel-event';
import type { PublishedTask } from '../ports/task-stream';
import { AheadTasks } from './ahead-tasks';
import { HeldMessages } from './held-messages';

export interface TakenTasksOptions {
  /** The last one that was stored before this leadership. */
  readonly lastSequence: number;
  readonly nowMs: () => number;
  /** How many bytes of bodies are kept. */
  readonly bodyCacheBytes: number;
  readonly bringIn: (event: IntakeEvent) => void;
  readonly acknowledge: (reply: string) => void;
  /** Rejects where the message may still be there. */
  readonly deleteMessage: (sequence: number) => Promise<void>;
  /** Whether the server has passed a message over: no delivery of it will come. */
  readonly isPassedOver?: (sequence: number) => boolean;
}

export interface DeliveredTask {
  readonly class: TaskClass;
  readonly sequence: number;
  readonly reply: string;
  readonly body: Uint8Array;
}

export class TakenTasks {
  private readonly held: HeldMessages;
  private readonly ahead: AheadTasks;

  constructor(private readonly options: TakenTasksOptions) {
    this.held = new HeldMessages(options.bodyCacheBytes);
    this.ahead = new AheadTasks(options);
  }

  has(sequence: number): boolean {
    return this.held.has(sequence);
  }

  bodyOf(sequence: number): Uint8Array | undefined {
    return this.held.bodyOf(sequence);
  }

  /** By the acknowledgement of its storing, where that is safe (A1 to A3). */
  takeAhead(published: PublishedTask, read: (published: PublishedTask) => IntakeEvent): void {
    const { subject, body, sequence } = published;
    if (!this.ahead.mayTakeIn({ class: subject.class, sequence })) return;
    const event = read(published);
    if (event.spec.key !== undefined) return;
    this.bringIn({ ...event, arrival: 'ahead' }, { reply: '', body });
  }

  /** @returns whether it was known; `unreadable` where nothing can be made of it. */
  takeDelivered(
    delivered: DeliveredTask,
    read: () => IntakeEvent | undefined,
  ): 'known' | 'new' | 'unreadable' {
    const { sequence, reply } = delivered;
    const arrival = this.ahead.noteDelivered(delivered);
    if (arrival === 'ended') this.options.acknowledge(reply);
    if (arrival === 'ended' || this.held.renew(sequence, reply)) return 'known';
    const event = read();
    if (event === undefined) return 'unreadable';
    this.bringIn(arrival === 'again' ? { ...event, arrival } : event, delivered);
    return 'new';
  }

  /** One that the server has passed over. */
  takePassedOver(event: IntakeEvent, body: Uint8Array): void {
    this.bringIn({ ...event, arrival: 'again' }, { reply: '', body });
  }

  /** It has ended. @returns whether its message leaves now, and not with its delivery. */
  end(sequence: number): boolean {
    const reply = this.held.release(sequence);
    if (reply === '') this.endUndelivered(sequence);
    else if (reply !== undefined) this.options.acknowledge(reply);
    return reply !== '';
  }

  /** Deletes what ended and whose delivery has not come; to be called every now and then. */
  look(): void {
    this.ahead.look();
  }

  clear(): void {
    this.held.clear();
  }

  private bringIn(
    event: IntakeEvent,
    message: { readonly reply: string; readonly body: Uint8Array },
  ): void {
    this.held.hold(event.spec.sequence, message.reply, message.body);
    this.options.bringIn(event);
  }

  private endUndelivered(sequence: number): void {
    const { isPassedOver, deleteMessage } = this.options;
    if (isPassedOver?.(sequence) !== true) return this.ahead.noteEnded(sequence);
    // Where it can't be deleted now, it is tried again later.
    deleteMessage(sequence).catch(() => this.ahead.noteEnded(sequence));
  }
}

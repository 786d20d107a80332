/**
 * Tasks that were taken in by the acknowledgement of their storing, ahead of what was stored before
 * them: a call never stands in the line of its class, however long another tenant has made it. The
 * delivery of each comes all the same, and is known by its sequence.
 *
 * - A1 Only what no other leader has seen: stored after this leadership began.
 * - A2 Only what has not been delivered: its task may have ended since.
 * - A3 Never a task with a key: those of a key run in the order of the stream.
 * - A4 One that ended before its delivery came can't be acknowledged. Its delivery is, when it
 *   comes; where that takes long, its message is deleted, or the next leader would run it once more
 *   when its answer is no longer kept. As with every task, its result is stored by then.
 */
import type { TaskClass } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';

export class AheadTasks {
  /** Sequences that ended undelivered, and when; the oldest first. */
  private readonly ended = new Map<number, number>();
  /** Deleted ones, and when: a delivery may be on its way. */
  private readonly deleted = new Map<number, number>();
  private readonly highest = new Map<TaskClass, number>();
  private inFlight = 0;

  constructor(
    private readonly options: {
      /** The last one that was stored before this leadership. */
      readonly lastSequence: number;
      readonly nowMs: () => number;
      /** Rejects where the message may still be there. */
      readonly deleteMessage: (sequence: number) => Promise<void>;
    },
  ) {}

  mayTakeIn(of: { readonly class: TaskClass; readonly sequence: number }): boolean {
    if (of.sequence <= this.options.lastSequence) return false;
    if (of.sequence <= (this.highest.get(of.class) ?? 0)) return false;
    return this.ended.size + this.deleted.size < EDGE_LIMITS.maxAheadTasks;
  }

  /** `ended`: all that is left is to acknowledge this delivery. `again`: it was delivered before. */
  noteDelivered(of: {
    readonly class: TaskClass;
    readonly sequence: number;
  }): 'first' | 'again' | 'ended' {
    const { sequence } = of;
    const highest = this.highest.get(of.class) ?? 0;
    if (sequence > highest) this.highest.set(of.class, sequence);
    if (this.ended.delete(sequence) || this.deleted.has(sequence)) return 'ended';
    return sequence > highest ? 'first' : 'again';
  }

  noteEnded(sequence: number): void {
    this.ended.set(sequence, this.options.nowMs());
  }

  /** Deletes those whose delivery has not come, and forgets those whose delivery can't come. */
  look(): void {
    const nowMs = this.options.nowMs();
    for (const [sequence, atMs] of this.deleted) {
      if (nowMs - atMs < EDGE_LIMITS.aheadForgetMs) break;
      this.deleted.delete(sequence);
    }
    for (const [sequence, atMs] of this.ended) {
      const isMany = this.ended.size > EDGE_LIMITS.maxAheadTasks / 2;
      if (nowMs - atMs < EDGE_LIMITS.aheadDeliveryMs && !isMany) break;
      if (this.inFlight >= EDGE_LIMITS.maxAheadDeletions) break;
      this.delete(sequence, nowMs);
    }
  }

  private delete(sequence: number, nowMs: number): void {
    this.ended.delete(sequence);
    this.deleted.set(sequence, nowMs);
    this.inFlight += 1;
    this.options.deleteMessage(sequence).then(
      () => this.goOn(),
      () => {
        // Not at full speed: it waits as if it had just ended.
        if (this.deleted.delete(sequence)) this.noteEnded(sequence);
        this.inFlight -= 1;
      },
    );
  }

  private goOn(): void {
    this.inFlight -= 1;
    this.look();
  }
}

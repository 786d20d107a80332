/**
 * What has come of one consumer, told by the numbers of its deliveries. Sole writer: whoever hears
 * the consumer. It decides what is lost and what kind of tasks come; asking is the adapter's.
 *
 * - D1 Deliveries of a consumer are numbered from 1. One beyond the next number tells that a
 *   delivery was lost on its way: the server counts it as made, and would repeat it in a day only.
 * - D2 A lower number is that of a server which was killed and has forgotten its last deliveries;
 *   it goes on from there.
 * - D3 What the server says it has delivered must have come by the time that an answer, which comes
 *   behind everything on its way, was read after a pause.
 */
import type { LastTasks } from './intake-pace';

export class Deliveries {
  private lastNumber = 0;
  private lastSequence = 0;
  /** Of those that came since the last full pull, how many more were new than known. */
  private newer = 0;
  private isMass = false;

  /** How many came, by the number of the last. */
  get count(): number {
    return this.lastNumber;
  }

  /** What came last, for the pace of the next pull. */
  get last(): LastTasks {
    return { sequence: this.lastSequence, areNew: this.isMass };
  }

  /** False where a delivery before it was lost (D1): it is not taken then. */
  take(of: { readonly consumerSequence: number; readonly sequence: number }): boolean {
    if (of.consumerSequence > this.lastNumber + 1) return false;
    this.lastNumber = of.consumerSequence;
    this.lastSequence = of.sequence;
    return true;
  }

  /** Whether the task that came last was not known yet. */
  noteKind(isNew: boolean): void {
    this.newer += isNew ? 1 : -1;
  }

  /** A pull came in full. */
  endPull(): void {
    this.isMass = this.newer > 0;
    this.newer = 0;
  }

  /** Whether as many came as the server has delivered (D3). */
  hasAll(delivered: number): boolean {
    return delivered <= this.lastNumber;
  }

  /** The consumer was made anew, and counts from 1 again. */
  restart(): void {
    this.lastNumber = 0;
  }
}

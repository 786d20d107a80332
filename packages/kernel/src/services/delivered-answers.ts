/**
 * Makes room among the answers: what was delivered goes first, the oldest of it, and never a result
 * that nobody has read. A refusal is no result: it goes with them.
 *
 * Delivered answers are kept for repeats of their calls, which come within seconds; but at full
 * rate they fill a small store long before their age ends. So each kernel lets those that it has
 * delivered itself take a share of the store, and deletes its oldest beyond that, one by one: only
 * a kernel knows which are read, and others' answers lie between its own. A deletion that fails or
 * is lost is not repeated: the server forgets the answer when its time is over.
 */
import { Fifo, WIRE_LIMITS } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import { CORE_LIMITS } from '../limits';
import type { StoredPlace } from '../ports/result-store';

interface Delivered {
  readonly place: StoredPlace;
  readonly bytes: number;
  readonly atMs: number;
}

export class DeliveredAnswers {
  private readonly kept = new Fifo<Delivered>();
  private keptBytes = 0;
  private inFlight = 0;

  constructor(
    private readonly options: {
      readonly nowMs: () => number;
      /** Of the store of answers; undefined while it is not known. */
      readonly capacityBytes: () => number | undefined;
      readonly forget: (place: StoredPlace) => Promise<void>;
    },
  ) {}

  /** Of those kept that were delivered here. */
  get bytes(): number {
    return this.keptBytes;
  }

  /** An answer was delivered that is stored there, or it is the refusal of a task. */
  note(place: StoredPlace, bodyBytes: number): void {
    const bytes = bodyBytes + CORE_LIMITS.storedOverheadBytes;
    this.kept.push({ place, bytes, atMs: this.options.nowMs() });
    this.keptBytes += bytes;
    this.makeRoom();
  }

  private makeRoom(): void {
    const capacityBytes = this.options.capacityBytes();
    const mostBytes =
      capacityBytes === undefined ? Infinity : capacityBytes * EDGE_LIMITS.deliveredShare;
    const goneMs = this.options.nowMs() - WIRE_LIMITS.answerMaxAgeMs;
    while (this.inFlight < EDGE_LIMITS.maxAnswerDeletions) {
      const oldest = this.kept.peek();
      if (oldest === undefined) break;
      const isGone = oldest.atMs <= goneMs;
      const isMany = this.kept.size > EDGE_LIMITS.maxDeliveredAnswers;
      if (!isGone && !isMany && this.keptBytes <= mostBytes) break;
      this.kept.take();
      this.keptBytes -= oldest.bytes;
      if (!isGone) this.forget(oldest.place);
    }
  }

  private forget(place: StoredPlace): void {
    this.inFlight += 1;
    const done = (): void => {
      this.inFlight -= 1;
      this.makeRoom();
    };
    this.options.forget(place).then(done, done);
  }
}

/**
 * How fast intake asks for tasks that come by masses. Whoever calls meanwhile shares the event loop
 * with them: requests, acknowledgements, reports and results all come through it, and in a loop
 * that is never idle everything waits for everything.
 *
 * So while somebody calls, each pull waits until the loop has had its idle share of the time since
 * the pull before. What idles by itself counts: a kernel with little to do never waits. What was
 * stored before this leadership comes at full speed: it has waited already.
 */
import { EDGE_LIMITS } from '../edge-limits';

/** What the event loop has done so far, in milliseconds. */
export interface LoopReading {
  readonly active: number;
  readonly idle: number;
}

/** What came last of a class. */
export interface LastTasks {
  readonly sequence: number;
  /** Most of them; the others were taken in ahead, and their delivery brings no work. */
  readonly areNew: boolean;
}

export class IntakePace {
  private last: LoopReading;
  private nextAtMs = Number.NEGATIVE_INFINITY;
  private calledAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly options: {
      readonly read: () => LoopReading;
      readonly nowMs: () => number;
      /** Of the last task that was stored before this leadership. */
      readonly lastSequence: number;
    },
  ) {
    this.last = options.read();
  }

  /** Somebody called, and waits. */
  noteCall(): void {
    this.calledAtMs = this.options.nowMs();
  }

  /** How many tasks to ask for after those. */
  batch(last: LastTasks): number {
    return this.isPaced(last) ? EDGE_LIMITS.pullPacedBatch : EDGE_LIMITS.pullBatch;
  }

  /** How long to wait, from now on; asked once after each pull that came in full. */
  pauseMs(tasks: LastTasks): number {
    const { last } = this;
    const reading = this.options.read();
    this.last = reading;
    if (!this.isPaced(tasks)) return 0;
    const { pacedIdleShare, maxPacePauseMs } = EDGE_LIMITS;
    const dueMs = (reading.active - last.active) * (pacedIdleShare / (1 - pacedIdleShare));
    const owedMs = Math.max(0, dueMs - (reading.idle - last.idle));
    const nowMs = this.options.nowMs();
    // The pulls of all classes wait one after the other.
    this.nextAtMs = Math.min(Math.max(nowMs, this.nextAtMs) + owedMs, nowMs + maxPacePauseMs);
    return this.nextAtMs - nowMs;
  }

  private isPaced({ sequence, areNew }: LastTasks): boolean {
    if (!areNew || sequence <= this.options.lastSequence) return false;
    return this.options.nowMs() - this.calledAtMs < EDGE_LIMITS.pacedAfterCallMs;
  }
}

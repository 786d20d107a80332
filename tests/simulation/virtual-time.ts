/**
 * Time that jumps from one planned thing to the next; ties happen in the order of planning. Between
 * two of them every promise that can go on does, in its order: a run is the same each time.
 */
import type { CancelTimer } from '@llmos/base';

interface Planned {
  readonly atMs: number;
  readonly order: number;
  /** Undefined once it was cancelled. */
  run: (() => void) | undefined;
}

const SETTLED = Promise.resolve();

/** An arbitrary moment of the wall clock, so that stored times look like real ones. */
const START_WALL_MS = 1_800_000_000_000;

export class VirtualTime {
  nowMs = 0;
  /** Planned things that happened. */
  steps = 0;
  private readonly heap: Planned[] = [];
  private nextOrder = 0;

  wallMs(): number {
    return START_WALL_MS + Math.floor(this.nowMs);
  }

  after(delayMs: number, run: () => void): CancelTimer {
    this.nextOrder += 1;
    const atMs = this.nowMs + Math.max(0, delayMs);
    const planned: Planned = { atMs, order: this.nextOrder, run };
    this.push(planned);
    return () => (planned.run = undefined);
  }

  /** Until `isOver`, which is asked before each step, or until nothing is planned. */
  runUntil(isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          if (isOver() || !this.step()) resolve();
          else void SETTLED.then(next);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      // Node comes to its next tick only when no promise can go on.
      const next = (): void => process.nextTick(step);
      process.nextTick(step);
    });
  }

  /** Runs the next planned thing; false where nothing is planned. */
  private step(): boolean {
    let next = this.pop();
    while (next !== undefined && next.run === undefined) next = this.pop();
    if (next?.run === undefined) return false;
    this.nowMs = next.atMs;
    this.steps += 1;
    next.run();
    return true;
  }

  private push(planned: Planned): void {
    const { heap } = this;
    let index = heap.push(planned) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(heap[index], heap[parent])) return;
      this.swap(index, parent);
      index = parent;
    }
  }

  private pop(): Planned | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let index = 0; ;) {
      const left = 2 * index + 1;
      const child = isBefore(heap[left + 1], heap[left]) ? left + 1 : left;
      if (!isBefore(heap[child], heap[index])) return first;
      this.swap(index, child);
      index = child;
    }
  }

  private swap(a: number, b: number): void {
    const { heap } = this;
    const one = heap[a];
    const other = heap[b];
    if (one === undefined || other === undefined) return;
    heap[a] = other;
    heap[b] = one;
  }
}

function isBefore(a: Planned | undefined, b: Planned | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs;
}

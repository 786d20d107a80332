/** Time that jumps from one planned thing to the next; ties happen in the order of planning. */
interface Planned {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** An arbitrary moment of the wall clock, so that stored times look like real ones. */
const START_WALL_MS = 1_800_000_000_000;

export class VirtualTime {
  nowMs = 0;
  private readonly heap: Planned[] = [];
  private nextOrder = 0;

  wallMs(): number {
    return START_WALL_MS + Math.floor(this.nowMs);
  }

  after(delayMs: number, run: () => void): void {
    this.nextOrder += 1;
    this.push({ atMs: this.nowMs + Math.max(0, delayMs), order: this.nextOrder, run });
  }

  /** Runs the next planned thing; false where nothing is planned. */
  step(): boolean {
    const next = this.pop();
    if (next === undefined) return false;
    this.nowMs = next.atMs;
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

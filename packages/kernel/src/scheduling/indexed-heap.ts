/**
 * A binary heap whose entries can be taken out from the middle: O(log n) for every change.
 * The order must be total and must not change while an entry is inside.
 */
export interface HeapEntry<T> {
  readonly value: T;
  /** Where it stands; -1 once it is out. Written by the heap only. */
  index: number;
}

export class IndexedHeap<T> {
  private readonly entries: HeapEntry<T>[] = [];

  /** @param isBefore whether `a` comes out earlier than `b`. */
  constructor(private readonly isBefore: (a: T, b: T) => boolean) {}

  get size(): number {
    return this.entries.length;
  }

  peek(): T | undefined {
    return this.entries[0]?.value;
  }

  push(value: T): HeapEntry<T> {
    const entry: HeapEntry<T> = { value, index: this.entries.length };
    this.entries.push(entry);
    this.rise(entry);
    return entry;
  }

  pop(): T | undefined {
    const first = this.entries[0];
    if (first === undefined) return undefined;
    this.remove(first);
    return first.value;
  }

  /** Does nothing where the entry is out already. */
  remove(entry: HeapEntry<T>): void {
    const index = entry.index;
    if (index < 0 || this.entries[index] !== entry) return;
    const last = this.entries.pop();
    entry.index = -1;
    if (last === undefined || last === entry) return;
    this.put(last, index);
    this.rise(last);
    this.sink(last);
  }

  /** In no particular order. */
  values(): T[] {
    return this.entries.map((entry) => entry.value);
  }

  private put(entry: HeapEntry<T>, index: number): void {
    this.entries[index] = entry;
    entry.index = index;
  }

  private rise(entry: HeapEntry<T>): void {
    while (entry.index > 0) {
      const parent = this.entries[(entry.index - 1) >> 1];
      if (parent === undefined || !this.isBefore(entry.value, parent.value)) return;
      this.swap(entry, parent);
    }
  }

  private sink(entry: HeapEntry<T>): void {
    for (;;) {
      const left = this.entries[2 * entry.index + 1];
      const right = this.entries[2 * entry.index + 2];
      if (left === undefined) return;
      const child = right !== undefined && this.isBefore(right.value, left.value) ? right : left;
      if (!this.isBefore(child.value, entry.value)) return;
      this.swap(entry, child);
    }
  }

  private swap(a: HeapEntry<T>, b: HeapEntry<T>): void {
    const index = a.index;
    this.put(a, b.index);
    this.put(b, index);
  }
}

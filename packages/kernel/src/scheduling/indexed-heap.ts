/**
 * A binary heap whose entries can be taken out from the middle: O(log n) for every change.
 * The order must be total and must not change while an entry is inside. Entries carry their place
 * themselves: with tasks by the 100,000 an object around each would be felt.
 */
export interface HeapEntry {
  /** Where it stands; -1 while it is out. Written by the heap only. */
  index: number;
}

export class IndexedHeap<Entry extends HeapEntry> {
  private readonly entries: Entry[] = [];

  /** @param isBefore whether `a` comes out earlier than `b`. */
  constructor(private readonly isBefore: (a: Entry, b: Entry) => boolean) {}

  get size(): number {
    return this.entries.length;
  }

  peek(): Entry | undefined {
    return this.entries[0];
  }

  /** It must not be inside already, here or in another heap. */
  push(entry: Entry): void {
    entry.index = this.entries.length;
    this.entries.push(entry);
    this.rise(entry);
  }

  pop(): Entry | undefined {
    const first = this.entries[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Does nothing where the entry is out already. */
  remove(entry: Entry): void {
    const index = entry.index;
    if (index < 0 || this.entries[index] !== entry) return;
    const last = this.entries.pop();
    entry.index = -1;
    if (last === undefined || last === entry) return;
    this.put(last, index);
    this.rise(last);
    this.sink(last);
  }

  /**
   * Those that come out before the entry, in no particular order; undefined where they are more
   * than the bound. Looks at these and their children only.
   */
  before(entry: Entry, most: number): Entry[] | undefined {
    const found: Entry[] = [];
    const waiting = [0];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const other = this.entries[at];
      if (other === undefined || !this.isBefore(other, entry)) continue;
      if (found.length >= most) return undefined;
      found.push(other);
      waiting.push(2 * at + 1, 2 * at + 2);
    }
    return found;
  }

  /** In no particular order. */
  values(): Entry[] {
    return [...this.entries];
  }

  private put(entry: Entry, index: number): void {
    this.entries[index] = entry;
    entry.index = index;
  }

  private rise(entry: Entry): void {
    while (entry.index > 0) {
      const parent = this.entries[(entry.index - 1) >> 1];
      if (parent === undefined || !this.isBefore(entry, parent)) return;
      this.swap(entry, parent);
    }
  }

  private sink(entry: Entry): void {
    for (;;) {
      const left = this.entries[2 * entry.index + 1];
      const right = this.entries[2 * entry.index + 2];
      if (left === undefined) return;
      const child = right !== undefined && this.isBefore(right, left) ? right : left;
      if (!this.isBefore(child, entry)) return;
      this.swap(entry, child);
    }
  }

  private swap(a: Entry, b: Entry): void {
    const index = a.index;
    this.put(a, b.index);
    this.put(b, index);
  }
}

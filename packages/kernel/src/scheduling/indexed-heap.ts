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
    this.entries.push(entry);
    this.rise(entry, this.entries.length - 1);
  }

  /** What would come first without the first. */
  second(): Entry | undefined {
    const [, left, right] = this.entries;
    if (left === undefined || right === undefined) return left;
    return this.isBefore(right, left) ? right : left;
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
    this.rise(last, this.descend(index));
  }

  /**
   * Those that come out first and are as asked for, in no particular order; undefined where they
   * are more than the bound. Looks at these and their children only.
   *
   * @param isAsked not of an entry if not of all that come out before it.
   */
  first(isAsked: (entry: Entry) => boolean, most: number): Entry[] | undefined {
    const found: Entry[] = [];
    const waiting = [0];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const other = this.entries[at];
      if (other === undefined || !isAsked(other)) continue;
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

  /** Puts it where it belongs, at the gap or above it. */
  private rise(entry: Entry, from: number): void {
    let gap = from;
    while (gap > 0) {
      const above = (gap - 1) >> 1;
      const parent = this.entries[above];
      if (parent === undefined || !this.isBefore(entry, parent)) break;
      this.put(parent, gap);
      gap = above;
    }
    this.put(entry, gap);
  }

  /**
   * Moves a gap down to the end of the heap, and says where it is then. What fills it comes from
   * the end itself and seldom rises far: half the comparisons of sinking it from above.
   */
  private descend(from: number): number {
    let gap = from;
    for (;;) {
      const left = this.entries[2 * gap + 1];
      const right = this.entries[2 * gap + 2];
      if (left === undefined) return gap;
      const child = right !== undefined && this.isBefore(right, left) ? right : left;
      const below = child.index;
      this.put(child, gap);
      gap = below;
    }
  }
}

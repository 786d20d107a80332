/** One alarm per name: setting it again moves it. Entries that go off come out in time order. */
import { IndexedHeap, type HeapEntry } from './indexed-heap';

interface SetAlarm<Name> extends HeapEntry {
  readonly name: Name;
  readonly atMs: number;
  /** Ties go off in the order in which they were set. */
  readonly order: number;
}

export class Alarms<Name extends string | number> {
  private readonly heap = new IndexedHeap<SetAlarm<Name>>((a, b) =>
    a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs,
  );
  private readonly byName = new Map<Name, SetAlarm<Name>>();
  private nextOrder = 0;

  set(name: Name, atMs: number): void {
    const present = this.byName.get(name);
    if (present !== undefined) {
      if (present.atMs === atMs) return;
      this.heap.remove(present);
    }
    this.nextOrder += 1;
    const alarm = { name, atMs, order: this.nextOrder, index: -1 };
    this.byName.set(name, alarm);
    this.heap.push(alarm);
  }

  clear(name: Name): void {
    const present = this.byName.get(name);
    if (present === undefined) return;
    this.heap.remove(present);
    this.byName.delete(name);
  }

  has(name: Name): boolean {
    return this.byName.has(name);
  }

  nextMs(): number | undefined {
    return this.heap.peek()?.atMs;
  }

  /** Takes out what is due, at most so many; the rest stays due. */
  due(nowMs: number, most = Number.POSITIVE_INFINITY): Name[] {
    const names: Name[] = [];
    while (names.length < most) {
      const first = this.heap.peek();
      if (first === undefined || first.atMs > nowMs) return names;
      this.clear(first.name);
      names.push(first.name);
    }
    return names;
  }
}

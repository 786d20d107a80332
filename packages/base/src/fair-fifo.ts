/**
 * Lines of many owners that take turns: one item of each in turn, each owner's own in order. However
 * much one of them brings, what another one brings waits behind one of it, not behind all.
 */
import { Fifo } from './fifo';

export class FairFifo<Owner, Item> {
  /** Of owners that have something in line; the one whose turn it is first. */
  private readonly lines = new Map<Owner, Fifo<Item>>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** How many of one owner wait. */
  sizeOf(owner: Owner): number {
    return this.lines.get(owner)?.size ?? 0;
  }

  push(owner: Owner, item: Item): void {
    const line = this.lines.get(owner);
    if (line !== undefined) line.push(item);
    else {
      const begun = new Fifo<Item>();
      begun.push(item);
      this.lines.set(owner, begun);
    }
    this.count += 1;
  }

  /**
   * The oldest of the owner whose turn it is; undefined where nothing waits that may go.
   *
   * @param mayGo who is passed over keeps its turn.
   */
  take(mayGo: (owner: Owner) => boolean = () => true): Item | undefined {
    for (const [owner, line] of this.lines) {
      if (!mayGo(owner)) continue;
      const item = line.take();
      this.count -= 1;
      // Alone in line: its place need not change.
      if (line.size === 0) this.lines.delete(owner);
      else if (this.lines.size > 1) {
        this.lines.delete(owner);
        this.lines.set(owner, line);
      }
      return item;
    }
    return undefined;
  }

  /** Everything of one owner, the oldest first. */
  takeAllOf(owner: Owner): readonly Item[] {
    const items = this.lines.get(owner)?.takeAll() ?? [];
    this.lines.delete(owner);
    this.count -= items.length;
    return items;
  }

  takeAll(): readonly Item[] {
    const items = [...this.lines.values()].flatMap((line) => line.takeAll());
    this.lines.clear();
    this.count = 0;
    return items;
  }
}

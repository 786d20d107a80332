/**
 * First in, first out, for lines that may grow to hundreds of thousands: an array is never shifted
 * one by one, but cut once most of it was taken.
 */
export class Fifo<Item> {
  private items: (Item | undefined)[] = [];
  /** Of the oldest that was not taken. */
  private first = 0;

  get size(): number {
    return this.items.length - this.first;
  }

  push(item: Item): void {
    this.items.push(item);
  }

  /** The oldest; undefined where there is none. */
  peek(): Item | undefined {
    return this.items[this.first];
  }

  take(): Item | undefined {
    if (this.size === 0) return undefined;
    const item = this.items[this.first];
    // Else it is held, with all that it holds, until the array is cut.
    this.items[this.first] = undefined;
    this.first += 1;
    if (this.size === 0) {
      this.items = [];
      this.first = 0;
    } else if (this.first > 1_000 && this.first * 2 > this.items.length) {
      this.items.splice(0, this.first);
      this.first = 0;
    }
    return item;
  }

  takeAll(): readonly Item[] {
    const items = this.items.slice(this.first) as Item[];
    this.items = [];
    this.first = 0;
    return items;
  }
}

/**
 * Remembers very many texts by their hashes, four bytes each: it says `false` only of a text that was
 * never added. What it takes for known is one of four thousand million by mistake, so it is asked.
 */
import { hashText } from '@llmos/base';

export class TextFilter {
  private slots = new Uint32Array(1_024);
  private count = 0;

  get size(): number {
    return this.count;
  }

  add(text: string): void {
    if (this.count * 2 >= this.slots.length) this.grow();
    this.put(keyOf(text));
  }

  mayHave(text: string): boolean {
    const key = keyOf(text);
    return this.slots[this.find(key)] === key;
  }

  private put(key: number): void {
    const slot = this.find(key);
    if (this.slots[slot] === key) return;
    this.slots[slot] = key;
    this.count += 1;
  }

  /** Where it is, or would be put. */
  private find(key: number): number {
    const mask = this.slots.length - 1;
    let slot = Math.imul(key, 0x9e3779b1) & mask;
    for (let found = this.slots[slot]; found !== 0 && found !== key; found = this.slots[slot]) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  private grow(): void {
    const before = this.slots;
    this.slots = new Uint32Array(before.length * 2);
    this.count = 0;
    for (const key of before) if (key !== 0) this.put(key);
  }
}

/** Zero marks an empty place. */
function keyOf(text: string): number {
  return hashText(text) || 1;
}

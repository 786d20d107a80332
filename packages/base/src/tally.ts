/** How many of something each owner has; one that has none takes no memory. */
export class Tally<Owner> {
  private readonly counts = new Map<Owner, number>();

  /** Owners that have any. */
  get size(): number {
    return this.counts.size;
  }

  of(owner: Owner): number {
    return this.counts.get(owner) ?? 0;
  }

  add(owner: Owner, count = 1): void {
    this.counts.set(owner, this.of(owner) + count);
  }

  remove(owner: Owner, count = 1): void {
    const left = this.of(owner) - count;
    if (left > 0) this.counts.set(owner, left);
    else this.counts.delete(owner);
  }
}

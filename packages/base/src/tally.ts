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

  add(owner: Owner): void {
    this.counts.set(owner, this.of(owner) + 1);
  }

  remove(owner: Owner): void {
    const left = this.of(owner) - 1;
    if (left > 0) this.counts.set(owner, left);
    else this.counts.delete(owner);
  }
}

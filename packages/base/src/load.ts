/**
 * What there is of something, and whose: how many, and what they weigh together (bytes, mostly), of
 * each owner and of all. Whoever wants to may wait until nothing is left.
 */
import { Tally } from './tally';

export class Load<Owner> {
  private total = 0;
  private totalWeight = 0;
  private readonly counts = new Tally<Owner>();
  private readonly weights = new Tally<Owner>();
  private whenNone: (() => void)[] = [];

  get count(): number {
    return this.total;
  }

  get weight(): number {
    return this.totalWeight;
  }

  countOf(owner: Owner): number {
    return this.counts.of(owner);
  }

  weightOf(owner: Owner): number {
    return this.weights.of(owner);
  }

  add(owner: Owner, weight = 0): void {
    this.total += 1;
    this.totalWeight += weight;
    this.counts.add(owner);
    if (weight > 0) this.weights.add(owner, weight);
  }

  /** @param weight as it was added. */
  remove(owner: Owner, weight = 0): void {
    this.total -= 1;
    this.totalWeight -= weight;
    this.counts.remove(owner);
    if (weight > 0) this.weights.remove(owner, weight);
    if (this.total === 0) for (const go of this.whenNone.splice(0)) go();
  }

  /** Resolves once nothing is left. */
  none(): Promise<void> {
    if (this.total === 0) return Promise.resolve();
    return new Promise((resolve) => void this.whenNone.push(resolve));
  }
}

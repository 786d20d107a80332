/**
 * Work of many owners, a bounded amount of it at a time, the owners in turn: however much one of
 * them brings, what another one brings begins after one piece of it, not after all. Nothing
 * overtakes what its owner has in line. How much may wait is for whoever asks to bound (`waiting`).
 *
 * Invariants: F1 what is open is within the bounds, but for one piece that is heavier than the
 * bounds of weight allow. F2 where something waits that may begin, it has begun.
 */
import { FairFifo } from './fair-fifo';
import { Load } from './load';

export interface FairWindowLimits {
  /** Pieces that are open at once: in all, and of one owner. */
  readonly maxOpen: number;
  readonly maxOpenPerOwner: number;
  /** The same by weight: with so much open, nothing more begins. Default: any weight. */
  readonly maxOpenWeight?: number;
  readonly maxOpenWeightPerOwner?: number;
}

interface Waiting<Owner> {
  readonly owner: Owner;
  readonly weight: number;
  readonly begin: () => void;
  readonly drop: (reason: Error) => void;
}

export class FairWindow<Owner> {
  /** What has begun and not ended. */
  readonly open: Pick<Load<Owner>, 'count' | 'weight' | 'countOf' | 'weightOf' | 'none'>;
  /** What has not begun. */
  readonly waiting: Pick<Load<Owner>, 'count' | 'weight' | 'countOf' | 'weightOf' | 'none'>;
  private readonly opened = new Load<Owner>();
  private readonly inLine = new Load<Owner>();
  private readonly line = new FairFifo<Owner, Waiting<Owner>>();

  constructor(private readonly limits: FairWindowLimits) {
    this.open = this.opened;
    this.waiting = this.inLine;
  }

  /** Whether a piece of this owner would begin at once. */
  mayBegin(owner: Owner): boolean {
    return this.inLine.countOf(owner) === 0 && this.hasRoom() && this.hasRoomFor(owner);
  }

  /** @param start called once, at once where there is room; it may not throw, but may reject. */
  run<T>(owner: Owner, start: () => Promise<T>, weight = 0): Promise<T> {
    if (this.mayBegin(owner)) return this.begin(owner, weight, start);
    this.inLine.add(owner, weight);
    return new Promise((resolve, reject) => {
      const begin = (): void => void this.begin(owner, weight, start).then(resolve, reject);
      this.line.push(owner, { owner, weight, begin, drop: reject });
    });
  }

  /** Nothing that waits begins any more: each is rejected. */
  dropWaiting(reason: () => Error): void {
    for (const { owner, weight, drop } of this.line.takeAll()) {
      this.inLine.remove(owner, weight);
      drop(reason());
    }
  }

  /** Resolves once nothing is open and nothing waits. */
  async idle(): Promise<void> {
    while (this.opened.count > 0 || this.inLine.count > 0) {
      await Promise.all([this.opened.none(), this.inLine.none()]);
    }
  }

  private async begin<T>(owner: Owner, weight: number, start: () => Promise<T>): Promise<T> {
    this.opened.add(owner, weight);
    try {
      return await start();
    } finally {
      this.opened.remove(owner, weight);
      this.goOn();
    }
  }

  private goOn(): void {
    while (this.hasRoom()) {
      const next = this.line.take((owner) => this.hasRoomFor(owner));
      if (next === undefined) return;
      this.inLine.remove(next.owner, next.weight);
      next.begin();
    }
  }

  private hasRoom(): boolean {
    const { maxOpen, maxOpenWeight = Infinity } = this.limits;
    return this.opened.count < maxOpen && this.opened.weight < maxOpenWeight;
  }

  private hasRoomFor(owner: Owner): boolean {
    const { maxOpenPerOwner, maxOpenWeightPerOwner = Infinity } = this.limits;
    const weight = this.opened.weightOf(owner);
    return this.opened.countOf(owner) < maxOpenPerOwner && weight < maxOpenWeightPerOwner;
  }
}

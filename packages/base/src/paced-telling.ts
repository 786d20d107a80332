import type { Clock } from './clock';

/** Tells of the first of many alike at once, and of the others together, at a bounded rate. */
export class PacedTelling {
  /** So far. */
  count = 0;
  private told = 0;
  private toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly options: { readonly clock: Pick<Clock, 'nowMs'>; readonly everyMs: number },
  ) {}

  /** @param tell hears how many there were since it was called last, this one among them. */
  note(tell: (count: number) => void): void {
    this.count += 1;
    const nowMs = this.options.clock.nowMs();
    if (nowMs - this.toldAtMs < this.options.everyMs) return;
    tell(this.count - this.told);
    this.told = this.count;
    this.toldAtMs = nowMs;
  }
}

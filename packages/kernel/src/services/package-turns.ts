/**
 * Adding models and removing packages take turns: many are added at once, while nothing is removed.
 * So what was found stored when a model is added is still there when its row is written.
 */
import { LlmosError } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';

export class PackageTurns {
  private readonly adding = new Set<Promise<unknown>>();
  private removal: Promise<void> | undefined;
  /** Additions that run or wait. */
  private additions = 0;

  /** @param most additions at a time; default: however many. */
  constructor(private readonly most = Number.POSITIVE_INFINITY) {}

  /** Begins when no removal runs or waits. Rejects with RESOURCE_EXHAUSTED beyond the most. */
  async add<T>(act: () => Promise<T>): Promise<T> {
    if (this.additions >= this.most) throw tooMany(this.most);
    this.additions += 1;
    try {
      return await this.addInTurn(act);
    } finally {
      this.additions -= 1;
    }
  }

  private async addInTurn<T>(act: () => Promise<T>): Promise<T> {
    while (this.removal !== undefined) await this.removal;
    const running = act();
    this.adding.add(running);
    try {
      return await running;
    } finally {
      this.adding.delete(running);
    }
  }

  /** Begins when all additions have ended that began before; one at a time. */
  async remove(act: () => Promise<void>): Promise<void> {
    while (this.removal !== undefined) await this.removal;
    let end: () => void = () => undefined;
    this.removal = new Promise((resolve) => (end = resolve));
    try {
      await Promise.allSettled(this.adding);
      await act();
    } finally {
      this.removal = undefined;
      end();
    }
  }
}

function tooMany(most: number): LlmosError {
  const details = { retryAfterMs: EDGE_LIMITS.retryAfterMs };
  return new LlmosError('RESOURCE_EXHAUSTED', `${most} models are being added already`, {
    details,
  });
}

/**
 * Requests to JetStream that must succeed: repeated with backoff until they do or the leadership
 * ends, a bounded number at once.
 */
import type { Logger } from '@llmos/base';
import { LlmosError, backoffMs } from '@llmos/base';
import { EDGE_LIMITS, STORE_RETRY } from '../../edge-limits';
import type { KernelCounters } from '../../ports/kernel-counters';
import { describeApiError } from './api-errors';

export class LeadershipEnded extends LlmosError {
  constructor() {
    super('ABORTED', 'the leadership ended');
  }
}

export class Persistence {
  private isEnded = false;
  private inFlight = 0;
  private readonly waiting: (() => void)[] = [];
  private firstWaiting = 0;
  private readonly pauses = new Set<() => void>();

  constructor(
    private readonly log: Logger,
    private readonly counters: KernelCounters,
  ) {}

  /** Rejects with LeadershipEnded only. */
  async run<T>(name: string, operation: () => Promise<T>): Promise<T> {
    await this.enter();
    try {
      return await this.repeat(name, operation);
    } finally {
      this.leave();
    }
  }

  end(): void {
    this.isEnded = true;
    for (const resume of this.pauses) resume();
    for (const go of this.waiting.slice(this.firstWaiting)) go();
    this.waiting.length = 0;
    this.firstWaiting = 0;
  }

  private async repeat<T>(name: string, operation: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures += 1) {
      if (this.isEnded) throw new LeadershipEnded();
      try {
        return await operation();
      } catch (error) {
        if (this.isEnded) throw new LeadershipEnded();
        this.counters.add('store_retries', name);
        const reason = describeApiError(error);
        this.log.warn('store-request-repeated', { operation: name, failures, reason });
        await this.pause(backoffMs(STORE_RETRY, failures));
      }
    }
  }

  private enter(): Promise<void> | undefined {
    if (this.inFlight < EDGE_LIMITS.maxStoreRequests || this.isEnded) {
      this.inFlight += 1;
      return undefined;
    }
    return new Promise((resolve) => {
      this.waiting.push(() => {
        this.inFlight += 1;
        resolve();
      });
    });
  }

  private leave(): void {
    this.inFlight -= 1;
    const next = this.waiting[this.firstWaiting];
    if (next === undefined) return;
    this.firstWaiting += 1;
    // A queue of hundreds of thousands must not be shifted one by one.
    if (this.firstWaiting > 1_000 && this.firstWaiting * 2 > this.waiting.length) {
      this.waiting.splice(0, this.firstWaiting);
      this.firstWaiting = 0;
    }
    next();
  }

  private pause(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const resume = (): void => {
        clearTimeout(timer);
        this.pauses.delete(resume);
        resolve();
      };
      const timer = setTimeout(resume, waitMs);
      this.pauses.add(resume);
    });
  }
}

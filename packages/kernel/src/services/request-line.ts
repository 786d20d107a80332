/**
 * Requests that wait to be handled: a few in each turn of the event loop, one of each tenant after
 * the other, with a pause in between that is as many times as long as handling them took.
 */
import type { Clock } from '@llmos/base';
import { FairFifo, Load } from '@llmos/base';
import type { ForeignRequest } from '../ports/request-link';

export interface WaitingRequest {
  readonly tenant: string;
  readonly request: ForeignRequest<unknown>;
  readonly handle: (request: ForeignRequest<unknown>) => void;
}

/** How fast a line moves. */
export interface LinePace {
  readonly perTurn: number;
  /** 0: no pause. */
  readonly pauseFactor: number;
}

export interface RequestLineOptions {
  /** Asked before each turn. */
  readonly pace: (waiting: number) => LinePace;
  /** Must not throw. */
  readonly handle: (each: WaitingRequest) => void;
  /** However long handling took: it may have been the machine that stood still. */
  readonly maxPauseMs: number;
  /** Calls back once the event loop has turned. */
  readonly nextTurn: (go: () => void) => void;
  readonly later: (go: () => void, afterMs: number) => void;
  readonly clock: Pick<Clock, 'nowMs'>;
}

interface Drained extends LinePace {
  readonly startMs: number;
}

export class RequestLine {
  private readonly waiting = new FairFifo<string, WaitingRequest>();
  /** Of `waiting`, by bytes. */
  private readonly load = new Load<string>();
  private isDrainDue = false;
  /** What waits is not handled before this. */
  private pausedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: RequestLineOptions) {}

  get size(): number {
    return this.waiting.size;
  }

  get bytes(): number {
    return this.load.weight;
  }

  sizeOf(tenant: string): number {
    return this.waiting.sizeOf(tenant);
  }

  bytesOf(tenant: string): number {
    return this.load.weightOf(tenant);
  }

  push(each: WaitingRequest): void {
    this.waiting.push(each.tenant, each);
    this.load.add(each.tenant, each.request.bytes);
    this.drainSoon();
  }

  takeAllOf(tenant: string): readonly WaitingRequest[] {
    const all = this.waiting.takeAllOf(tenant);
    for (const each of all) this.noteTaken(each);
    return all;
  }

  takeAll(): readonly WaitingRequest[] {
    const all = this.waiting.takeAll();
    for (const each of all) this.noteTaken(each);
    return all;
  }

  /** Resolves once nothing waits any more; what was taken last is handled by then. */
  empty(): Promise<void> {
    return this.load.none();
  }

  private noteTaken({ tenant, request }: WaitingRequest): void {
    this.load.remove(tenant, request.bytes);
  }

  private drainSoon(): void {
    if (this.isDrainDue || this.waiting.size === 0) return;
    this.isDrainDue = true;
    const { clock, later, nextTurn } = this.options;
    const go = (): void => {
      let drained: Drained | undefined;
      nextTurn(() => (drained = this.drain()));
      // Behind it in the same turn: what follows from the requests at once is done by then, too.
      nextTurn(() => this.endDrain(drained));
    };
    const pauseMs = this.pausedUntilMs - clock.nowMs();
    if (pauseMs > 0) later(go, pauseMs);
    else go();
  }

  private drain(): Drained {
    const { clock, pace } = this.options;
    const drained = { ...pace(this.waiting.size), startMs: clock.nowMs() };
    this.handleMany(drained.perTurn);
    return drained;
  }

  private endDrain(drained: Drained | undefined): void {
    const nowMs = this.options.clock.nowMs();
    if (drained !== undefined && drained.pauseFactor > 0) {
      const pauseMs = (nowMs - drained.startMs) * drained.pauseFactor;
      this.pausedUntilMs = nowMs + Math.min(pauseMs, this.options.maxPauseMs);
    }
    this.isDrainDue = false;
    this.drainSoon();
  }

  private handleMany(most: number): void {
    for (let left = Math.min(most, this.waiting.size); left > 0; left -= 1) {
      const next = this.waiting.take();
      if (next === undefined) return;
      this.noteTaken(next);
      this.options.handle(next);
    }
  }
}

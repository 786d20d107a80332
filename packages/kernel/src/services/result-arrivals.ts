/**
 * What becomes of the word that a result was committed: everybody who waits for it is answered,
 * be it a call or a reader that attached, and what stores of results hold is counted.
 *
 * The store writes notices, in the order of each stream; this is their only reader, on every
 * kernel. Whoever waits may assume:
 * - W1 A result that is committed after the waiter was added is heard of, or found by a look-up.
 * - W2 A waiter is settled once.
 * - W3 A notice without its body is followed by one read for those who wait, and by none where
 *   nobody does (see BodyTravel for which notices bring theirs). Reads are bounded, the tenants in
 *   turn; one that fails is repeated by the next sweep.
 */
import type { Clock, Logger, TenantId, TenantTask } from '@llmos/base';
import { FairWindow, STREAMS } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { ResultNotice, ResultStore, StoredResult } from '../ports/result-store';
import { BodyTravel } from './body-travel';
import type { WaiterLimits } from './result-waiters';
import { ResultWaiters } from './result-waiters';

export interface ResultArrivalsOptions {
  readonly results: Pick<ResultStore, 'watch' | 'read' | 'readNoticed'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Hears of every result. */
  readonly onCommitted: (of: TenantTask, notice: ResultNotice) => void;
}

export class ResultArrivals {
  /** Calls. */
  readonly calls: ResultWaiters;
  /** Readers that attached: they are no calls, and have bounds of their own. */
  readonly readers: ResultWaiters;
  private readonly travel: ReadonlyMap<string, BodyTravel>;
  private readonly reads = new FairWindow<TenantId>({
    maxOpen: EDGE_LIMITS.maxNoticedReads,
    maxOpenPerOwner: EDGE_LIMITS.maxTenantNoticedReads,
    maxOpenWeight: EDGE_LIMITS.maxNoticedBytes,
    maxOpenWeightPerOwner: EDGE_LIMITS.maxTenantNoticedBytes,
  });

  constructor(private readonly options: ResultArrivalsOptions) {
    const streams: readonly string[] = [STREAMS.results, STREAMS.answers];
    this.travel = new Map(streams.map((stream) => [stream, new BodyTravel(options.clock)]));
    this.calls = this.waitersOf(EDGE_LIMITS);
    this.readers = this.waitersOf({
      maxWaiters: EDGE_LIMITS.maxReaders,
      maxWaitersPerTenant: EDGE_LIMITS.maxReadersPerTenant,
    });
  }

  watch(): Promise<void> {
    return this.options.results.watch({
      onCommitted: (of, notice) => this.take(of, notice),
      wantsBodies: (stream) => this.travel.get(stream)?.wantsBodies() ?? false,
    });
  }

  /** Times out who waited too long, and looks up what may have been missed. */
  sweep(): void {
    this.calls.sweep();
    this.readers.sweep();
  }

  /** Answers everyone who waits, and from now on at once whoever comes. */
  stop(): void {
    this.calls.stop();
    this.readers.stop();
  }

  private take(of: TenantTask, notice: ResultNotice): void {
    this.travel.get(notice.place.stream)?.noteHeard(notice.bodyBytes);
    this.calls.onCommitted(of, notice);
    this.readers.onCommitted(of, notice);
    this.options.onCommitted(of, notice);
  }

  private waitersOf(limits: WaiterLimits): ResultWaiters {
    const { results, clock, log } = this.options;
    return new ResultWaiters({
      clock,
      maxWaiters: limits.maxWaiters,
      maxWaitersPerTenant: limits.maxWaitersPerTenant,
      lookUp: (of) => results.read(of),
      readNoticed: async (of, { place, bodyBytes }) => {
        const read = (): Promise<StoredResult | undefined> => results.readNoticed(of, place);
        const result = await this.reads.run(of.tenant, read, bodyBytes);
        // Where it stands is known from the delivery; a header of the message may say otherwise.
        return result === undefined ? undefined : { ...result, place };
      },
      onTaken: ({ place, bodyBytes }) => this.travel.get(place.stream)?.noteTaken(bodyBytes),
      onLookUpFailed: (error) => log.warn('result-look-up-failed', { error }),
    });
  }
}

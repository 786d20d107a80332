/**
 * Whether results can be stored: those that are kept long, and the answers, which leave soon. A
 * task that can't store its result can't end, so while there is no room, `submit` and `call` take
 * no more, and what was published straight to the stream waits there: nothing unread is evicted.
 * Before it comes to that, a tenant that has taken more than its share is refused alone.
 */
import type { ErrorBody, LimitRow, StreamLoad, TenantId, TenantTask } from '@llmos/base';
import { LlmosError, STREAMS, WIRE_LIMITS, resultStream } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import { CORE_LIMITS } from '../limits';
import type { ResultNotice, ResultStore } from '../ports/result-store';
import type { StreamReadings } from '../ports/stream-readings';
import type { TaskPublisher } from '../ports/task-publisher';
import { TenantShares } from './tenant-shares';

export interface ResultRoomOptions {
  readonly readings: StreamReadings;
  readonly results: Pick<ResultStore, 'countShares'>;
  /** How long results are kept that are no answers. */
  readonly resultMaxAgeMs: number;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
}

export class ResultRoom {
  /** As they were seen last: what was deleted since is not known here, so nothing is added up. */
  private readonly loads = new Map<string, StreamLoad>();
  /** What was stored since the last look, by stream. */
  private readonly unseenBytes = new Map<string, number>();
  private readonly looking = new Set<string>();
  private readonly shares: ReadonlyMap<string, TenantShares>;

  constructor(private readonly options: ResultRoomOptions) {
    const { results, nowMs, wallMs } = options;
    const sharesOf = (stream: string, maxAgeMs: number): [string, TenantShares] => {
      const count = () => results.countShares(stream);
      return [stream, new TenantShares({ nowMs, wallMs, maxAgeMs, count })];
    };
    this.shares = new Map([
      sharesOf(STREAMS.results, options.resultMaxAgeMs),
      sharesOf(STREAMS.answers, WIRE_LIMITS.answerMaxAgeMs),
    ]);
  }

  /** Never rejects; where JetStream does not answer, what was seen last counts. */
  async look(): Promise<void> {
    const { streams } = await this.options.readings.read();
    for (const load of streams) {
      if (this.shares.has(load.stream)) this.take(load);
    }
  }

  noteStored(of: TenantTask, notice: Pick<ResultNotice, 'place' | 'bodyBytes'>): void {
    const load = this.loads.get(notice.place.stream);
    if (load === undefined) return;
    const bytes = notice.bodyBytes + CORE_LIMITS.storedOverheadBytes;
    this.shares.get(load.stream)?.noteStored(of.tenant, bytes);
    const unseenBytes = (this.unseenBytes.get(load.stream) ?? 0) + bytes;
    this.unseenBytes.set(load.stream, unseenBytes);
    // Not only at the next look of all: a small store fills within moments.
    const isMuch = load.maxBytes > 0 && unseenBytes > load.maxBytes * EDGE_LIMITS.unseenShare;
    if (isMuch && !this.looking.has(load.stream)) void this.lookAgain(load.stream);
  }

  /** Why a task of this tenant is kept out while those of others are not; undefined: it is not. */
  refusalOf(of: { readonly tenant: TenantId; readonly keepMs?: number }): ErrorBody | undefined {
    const load = this.loads.get(resultStream(of.keepMs));
    return load === undefined
      ? undefined
      : this.shares.get(load.stream)?.refusalOf(of.tenant, load);
  }

  /** What the stores of results may hold, and have left for this tenant; none without a limit. */
  limitsOf(tenant: TenantId): readonly LimitRow[] {
    return [...this.loads.values()].flatMap((load): LimitRow[] => {
      const { stream, bytes, maxBytes, freesInMs } = load;
      if (maxBytes <= 0) return [];
      const name = stream === STREAMS.answers ? 'answerBytes' : 'resultBytes';
      const isKeptOut = this.shares.get(stream)?.refusalOf(tenant, load) !== undefined;
      // What is kept free for the largest result is nobody's.
      const leftBytes = Math.max(0, maxBytes - bytes - EDGE_LIMITS.resultRoomBytes);
      const reset = freesInMs === undefined ? {} : { resetMs: Math.max(0, freesInMs) };
      return [{ name, limit: maxBytes, remaining: isKeptOut ? 0 : leftBytes, ...reset }];
    });
  }

  /** The same publisher, which refuses while there is no room. */
  guard(publisher: TaskPublisher): TaskPublisher {
    return {
      maxBodyBytes: () => publisher.maxBodyBytes(),
      publish: async (task) => {
        this.assertRoom();
        const { tenant } = task.subject;
        const { keepMs } = task.terms;
        const refusal = this.refusalOf({ tenant, ...(keepMs === undefined ? {} : { keepMs }) });
        if (refusal !== undefined) throw LlmosError.fromBody(refusal);
        return publisher.publish(task);
      },
    };
  }

  hasRoom(): boolean {
    return this.fullOne() === undefined;
  }

  /** What the answers may take; undefined while it is not known, or without a limit. */
  answersCapacityBytes(): number | undefined {
    return this.loads.get(STREAMS.answers)?.maxBytes || undefined;
  }

  private async lookAgain(stream: string): Promise<void> {
    this.looking.add(stream);
    this.unseenBytes.set(stream, 0);
    const load = await this.options.readings.loadOf(stream);
    this.looking.delete(stream);
    if (load !== undefined) this.take(load);
  }

  private take(load: StreamLoad): void {
    this.loads.set(load.stream, load);
    void this.shares.get(load.stream)?.look(load);
  }

  private fullOne(): StreamLoad | undefined {
    return [...this.loads.values()].find(
      // No limit is 0. A larger result than the room must fit as well, or its task never ends.
      ({ bytes, maxBytes }) => maxBytes > 0 && bytes + EDGE_LIMITS.resultRoomBytes > maxBytes,
    );
  }

  private assertRoom(): void {
    const full = this.fullOne();
    if (full === undefined) return;
    const { stream, bytes, maxBytes, freesInMs = 0 } = full;
    const what = stream === STREAMS.answers ? 'answers' : 'results';
    throw new LlmosError(
      'RESOURCE_EXHAUSTED',
      `the stored ${what} are full: ${bytes} of ${maxBytes} bytes in ${stream}`,
      // Nothing leaves before the oldest one does, save what a person removes.
      { details: { retryAfterMs: Math.max(EDGE_LIMITS.resultRoomLookMs, freesInMs) } },
    );
  }
}

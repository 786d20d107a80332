/**
 * Reads of committed results, as cheap as the server allows.
 *
 * A result is in one of two streams, and a reader does not know in which: both are asked at once.
 * A lone server leads every stream: it is asked directly, which costs it a third of a request to
 * the stream's leader. In a cluster a direct read may be answered by a follower, so the leader is
 * asked. What a read for a request found is handed on to the intake of its task, which would ask
 * the same a moment later.
 */
import type { HeaderSource, ResultPlace, TaskIdentity, TenantTask } from '@llmos/base';
import { RecentMap, STREAMS, resultPlaces, subjects, readResultMarks } from '@llmos/base';
import { readHeaders, statusOf, readLast, isUnheard, readDirectAnswer } from '@llmos/wire';
import type { JetStreamManager, MsgHdrs, NatsConnection } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { StoredPlace, StoredResult } from '../../ports/result-store';
import type { TextFilter } from './text-filter';

/** What intake must know of a result that is there. */
export interface KnownResult {
  readonly identity?: TaskIdentity;
  readonly refusedSequence?: number;
  readonly place?: StoredPlace;
}

/** Without the result itself: thousands of large ones would not fit. */
interface RecentRead {
  /** `unknown` where the read failed. */
  readonly known: Promise<KnownResult | 'unknown' | undefined>;
  readonly atMs: number;
}

const NOTHING = new Uint8Array(0);

/** Where results are stored. */
export const RESULT_STREAMS: readonly string[] = [STREAMS.results, STREAMS.answers];

export class ResultReads {
  /** Names of all tasks that have a result, while a new leader needs them (see BacklogReads). */
  stored: TextFilter | undefined;
  private readonly recent = new RecentMap<string, RecentRead>(EDGE_LIMITS.maxRecentReads);

  constructor(
    private readonly options: {
      readonly connection: NatsConnection;
      readonly manager: JetStreamManager;
      readonly nowMs: () => number;
    },
  ) {}

  /** A result was committed just now. */
  noteStored(name: string): void {
    if (this.stored === undefined) return;
    this.stored.add(name);
    if (this.stored.size > EDGE_LIMITS.maxKnownResults) this.stored = undefined;
  }

  /** The result as it is now, or, where there is none, a refusal. */
  async read(of: TenantTask): Promise<StoredResult | undefined> {
    const found = await Promise.all(resultPlaces(of).map((place) => this.readAt(place)));
    const stored = found.filter((result) => result !== undefined);
    return stored.find((result) => result.refusedSequence === undefined) ?? stored[0];
  }

  /** The same, for a task that is being stored; `known` may have the answer once. */
  readForTask(of: TenantTask): Promise<StoredResult | undefined> {
    const reading = this.read(of);
    const known = reading.then(withoutBody, () => 'unknown' as const);
    this.recent.set(subjects.result(of), { known, atMs: this.options.nowMs() });
    return reading;
  }

  /**
   * Whether a task has its result, for its intake. One that was committed after the recent read
   * began is missed. Then the task runs again, its commit is refused, and the first result stays:
   * an effect appears once all the same.
   */
  async known(of: TenantTask): Promise<KnownResult | undefined> {
    const name = subjects.result(of);
    const recent = this.recent.get(name);
    this.recent.delete(name);
    const isFresh =
      recent !== undefined && this.options.nowMs() - recent.atMs < EDGE_LIMITS.recentReadMs;
    const known = isFresh ? await recent.known : 'unknown';
    return known === 'unknown' ? withoutBody(await this.read(of)) : known;
  }

  /** What is stored at one place. */
  async readAt(place: ResultPlace): Promise<StoredResult | undefined> {
    const { connection, manager } = this.options;
    if (connection.info?.cluster === undefined) {
      const answer = await this.readDirectly(place);
      if (answer !== 'unanswered') return answer;
    }
    const stored = await readLast(manager, place.stream, place.subject);
    if (stored === undefined) return undefined;
    const { get } = readHeaders((): MsgHdrs => stored.header);
    return resultOf({ body: stored.data, get, stream: place.stream, sequence: stored.seq });
  }

  private async readDirectly(place: ResultPlace): Promise<StoredResult | 'unanswered' | undefined> {
    const { stream, subject } = place;
    const request = `$JS.API.DIRECT.GET.${stream}.${subject}`;
    try {
      const timeout = EDGE_LIMITS.requestTimeoutMs;
      const msg = await this.options.connection.request(request, NOTHING, { timeout });
      const { get } = readHeaders((): MsgHdrs | undefined => msg.headers);
      const answer = readDirectAnswer(statusOf(msg), get);
      if (answer.kind === 'absent') return undefined;
      if (answer.kind === 'refused') return 'unanswered';
      return resultOf({ body: msg.data, get, stream, sequence: answer.sequence });
    } catch (error) {
      // A stream that was made without direct reads.
      if (isUnheard(error)) return 'unanswered';
      throw error;
    }
  }
}

/** A stored result as the kernel knows it. */
export function resultOf(of: {
  readonly body: Uint8Array;
  /** Of its headers. */
  readonly get: HeaderSource;
  readonly stream: string;
  readonly sequence: number;
}): StoredResult {
  const { body, get, stream, sequence } = of;
  return { body, ...readResultMarks(get), place: { stream, sequence } };
}

function withoutBody(stored: StoredResult | undefined): KnownResult | undefined {
  if (stored === undefined) return undefined;
  const { body: _body, format: _format, ...known } = stored;
  return known;
}

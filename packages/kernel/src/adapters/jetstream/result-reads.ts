/**
 * Reads of committed results, as cheap as the server allows.
 *
 * A lone server leads every stream: it is asked directly, which costs it a third of a request to
 * the stream's leader. In a cluster a direct read may be answered by a follower, so the leader is
 * asked. What a read for a request found is handed on to the intake of its task, which would ask
 * the same a moment later.
 */
import type { TenantTask } from '@llmos/base';
import { RecentMap, STREAMS, subjects } from '@llmos/base';
import { ErrorCode, NatsError } from 'nats';
import type { JetStreamManager, MsgHdrs, NatsConnection } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import { statusOf } from './headers';
import { readLast } from './leader-reads';
import type { TextFilter } from './text-filter';

export interface StoredMessage {
  readonly data: Uint8Array;
  /** Throws where foreign headers can't be read. */
  readonly headers: () => MsgHdrs | undefined;
}

type Reading = Promise<StoredMessage | undefined>;

/** Without the result itself: thousands of large ones would not fit. */
interface RecentRead {
  /** Undefined where the read failed. */
  readonly isStored: Promise<boolean | undefined>;
  readonly atMs: number;
}

const NOTHING = new Uint8Array(0);
const NOT_FOUND = 404;

/** Where results are stored. */
export const RESULT_STREAMS: readonly string[] = [STREAMS.results];

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

  /** The result as it is now. */
  read(of: TenantTask): Reading {
    return this.readNow(subjects.result(of));
  }

  /** The same, for a task that is being stored; `isStored` may have the answer once. */
  readForTask(of: TenantTask): Reading {
    const subject = subjects.result(of);
    const reading = this.readNow(subject);
    const isStored = reading.then(
      (found) => found !== undefined,
      () => undefined,
    );
    this.recent.set(subject, { isStored, atMs: this.options.nowMs() });
    return reading;
  }

  /**
   * Whether a task has its result, for its intake. One that was committed after the recent read
   * began is missed. Then the task runs again, its commit is refused, and the first result stays:
   * an effect appears once all the same.
   */
  async isStored(of: TenantTask): Promise<boolean> {
    const subject = subjects.result(of);
    const recent = this.recent.get(subject);
    this.recent.delete(subject);
    const isFresh =
      recent !== undefined && this.options.nowMs() - recent.atMs < EDGE_LIMITS.recentReadMs;
    const isStored = isFresh ? await recent.isStored : undefined;
    return isStored ?? (await this.readNow(subject)) !== undefined;
  }

  private async readNow(subject: string): Reading {
    const { connection, manager } = this.options;
    if (connection.info?.cluster === undefined) {
      const answer = await this.readDirectly(subject);
      if (answer !== 'unanswered') return answer;
    }
    const stored = await readLast(manager, STREAMS.results, subject);
    return stored === undefined ? undefined : { data: stored.data, headers: () => stored.header };
  }

  private async readDirectly(subject: string): Promise<StoredMessage | 'unanswered' | undefined> {
    const request = `$JS.API.DIRECT.GET.${STREAMS.results}.${subject}`;
    try {
      const timeout = EDGE_LIMITS.requestTimeoutMs;
      const msg = await this.options.connection.request(request, NOTHING, { timeout });
      const status = statusOf(msg);
      if (status === NOT_FOUND) return undefined;
      return status === 0 ? { data: msg.data, headers: () => msg.headers } : 'unanswered';
    } catch (error) {
      // A stream that was made without direct reads.
      const isUnheard =
        error instanceof NatsError && error.code === (ErrorCode.NoResponders as string);
      if (isUnheard) return 'unanswered';
      throw error;
    }
  }
}

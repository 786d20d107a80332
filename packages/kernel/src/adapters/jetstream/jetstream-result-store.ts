/**
 * Committed results: an ephemeral push consumer per stream of results and kernel, and leader reads.
 *
 * Only what a consumer delivers was committed (a losing commit is visible on the subject itself).
 * A consumer has no acknowledgements and lives in memory; if it falls silent, skips or is lost,
 * another one starts after the last result seen. Foreign headers are read behind our own guard.
 */
import type { Logger, TenantId, TenantTask } from '@llmos/base';
import { parseResultSubject } from '@llmos/base';
import {
  parseDelivery,
  readHeaders,
  DeliverPolicy,
  JsHeaders,
  createInbox,
  followLink,
} from '@llmos/wire';
import type { JetStreamManager, Msg, NatsConnection, Subscription } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { CORE_LIMITS } from '../../limits';
import type { ResultStore, StoredPlace, StoredResult, StoredShare } from '../../ports/result-store';
import { deleteMessage } from './message-deletion';
import { answerFlowControl, pushedTo } from './push-consumer';
import type { ResultReads } from './result-reads';
import { RESULT_STREAMS, resultOf } from './result-reads';
import { ShareCount } from './share-count';
import { walkStream } from './stream-walk';

type OnResult = (of: TenantTask, result: StoredResult) => void;

interface ResultFeedOptions {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly log: Logger;
  readonly reads: ResultReads;
}

export class JetStreamResultStore implements ResultStore {
  private readonly feeds: readonly ResultFeed[];
  private isClosed = false;

  constructor(private readonly options: ResultFeedOptions) {
    this.feeds = RESULT_STREAMS.map((stream) => new ResultFeed(options, stream));
  }

  async watch(onResult: OnResult): Promise<void> {
    await Promise.all(this.feeds.map((feed) => feed.watch(onResult)));
  }

  read(of: TenantTask): Promise<StoredResult | undefined> {
    return this.options.reads.read(of);
  }

  readForTask(of: TenantTask): Promise<StoredResult | undefined> {
    return this.options.reads.readForTask(of);
  }

  forget(place: StoredPlace): Promise<void> {
    return deleteMessage(this.options.manager, place);
  }

  /** The server tells the sizes instead of sending the bodies. */
  async countShares(stream: string): Promise<Map<TenantId, StoredShare>> {
    const count = new ShareCount(EDGE_LIMITS.maxCountedTenants);
    const isComplete = await walkStream({
      ...this.options,
      stream,
      isHeadersOnly: true,
      isEnded: () => this.isClosed,
      onMessage: (msg) => {
        const of = parseResultSubject(msg.subject);
        const storedWallMs = parseDelivery(msg.reply ?? '')?.storedWallMs;
        if (of === undefined || storedWallMs === undefined) return;
        const size = Number(readHeaders(() => msg.headers).get(JsHeaders.MessageSizeHdr) ?? 0);
        const bytes = (Number.isFinite(size) ? size : 0) + CORE_LIMITS.storedOverheadBytes;
        count.add(of.tenant, bytes, storedWallMs);
      },
    });
    if (!isComplete) throw new Error(`${stream} was not read to its end`);
    return count.shares();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const feed of this.feeds) feed.close();
    return Promise.resolve();
  }
}

/** What is committed to one of the streams. */
class ResultFeed {
  private subscription: Subscription | undefined;
  private lastSequence = 0;
  private consumerSequence = 0;
  private heardAtMs = 0;
  private timer: NodeJS.Timeout | undefined;
  private isRestarting = false;
  private isClosed = false;

  constructor(
    private readonly options: ResultFeedOptions,
    private readonly stream: string,
  ) {}

  async watch(onResult: OnResult): Promise<void> {
    await this.start(onResult);
    this.timer = setInterval(() => {
      const isSilent = performance.now() - this.heardAtMs > 3 * EDGE_LIMITS.resultHeartbeatMs;
      if (isSilent && !this.options.connection.isClosed()) this.restart(onResult, 'silent');
    }, EDGE_LIMITS.resultHeartbeatMs);
    followLink(this.options.connection, {
      // The server may have been restarted, and the consumer lived in its memory.
      onReconnected: () => this.restart(onResult, 'reconnected'),
    });
  }

  close(): void {
    this.isClosed = true;
    clearInterval(this.timer);
    this.subscription?.unsubscribe();
  }

  private async start(onResult: OnResult): Promise<void> {
    const inbox = createInbox();
    this.subscription?.unsubscribe();
    this.consumerSequence = 0;
    this.heardAtMs = performance.now();
    const subscription = this.options.connection.subscribe(inbox, {
      callback: (error, msg) => {
        if (error === null && this.subscription === subscription) this.take(msg, onResult);
      },
    });
    this.subscription = subscription;
    await this.options.manager.consumers.add(this.stream, {
      ...pushedTo(inbox),
      ...(this.lastSequence === 0
        ? { deliver_policy: DeliverPolicy.New }
        : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: this.lastSequence + 1 }),
    });
  }

  private restart(onResult: OnResult, reason: string): void {
    if (this.isRestarting || this.isClosed) return;
    this.isRestarting = true;
    this.options.log.debug('result-consumer-restarted', { reason });
    this.start(onResult)
      .catch((error: unknown) => {
        this.options.log.warn('result-consumer-failed', { error });
        // The next look at the silence tries again.
        this.heardAtMs =
          performance.now() - 3 * EDGE_LIMITS.resultHeartbeatMs + EDGE_LIMITS.resultRestartMs;
      })
      .finally(() => {
        this.isRestarting = false;
      });
  }

  private take(msg: Msg, onResult: OnResult): void {
    this.heardAtMs = performance.now();
    try {
      const delivery = parseDelivery(msg.reply ?? '');
      if (delivery === undefined) {
        answerFlowControl(this.options.connection, msg);
        return;
      }
      if (delivery.consumerSequence !== this.consumerSequence + 1) {
        return this.restart(onResult, 'gap');
      }
      this.consumerSequence = delivery.consumerSequence;
      this.lastSequence = delivery.sequence;
      const of = parseResultSubject(msg.subject);
      if (of === undefined) return;
      this.options.reads.noteStored(`${of.tenant}.${of.task}`);
      const { stream } = this;
      const { sequence } = delivery;
      onResult(of, resultOf({ body: msg.data, headers: () => msg.headers, stream, sequence }));
    } catch (error) {
      this.options.log.error('result-delivery-failed', { subject: msg.subject, error });
    }
  }
}

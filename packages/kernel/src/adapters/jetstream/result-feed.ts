/**
 * The word of every result that is committed to one of the two streams, on every kernel: an
 * ephemeral push consumer, which has no acknowledgements and lives in the server's memory.
 *
 * Only what a consumer delivers was committed: a losing commit is seen on the subject itself, so a
 * plain subscription to the results that are waited for would answer calls with what never counted.
 * The consumer brings headers alone, or bodies too while the listener wants them: a read for each
 * result that is waited for costs a call some of its latency, and a body for each that is not
 * costs every kernel the bandwidth of all models (see BodyTravel, which decides, and why).
 *
 * The listener may assume:
 * - N1 Each result once, in the order of the stream, from `watch` on. Changing between headers and
 *   bodies loses none and repeats none: the next consumer starts after the last result heard of,
 *   and until it is there the former one goes on. Then that one is deleted.
 * - N2 A consumer that falls silent, skips a delivery or is lost with its server is made anew after
 *   the last result heard of. What was stored while no connection was there comes then.
 * - N3 Headers are foreign bytes: what can't be read counts as absent, and stops nothing.
 */
import type { Logger } from '@llmos/base';
import { parseResultSubject, readResultMarks } from '@llmos/base';
import {
  DeliverPolicy,
  createInbox,
  describeApiError,
  followLink,
  parseDelivery,
  readHeaders,
} from '@llmos/wire';
import type {
  ConsumerConfig,
  JetStreamManager,
  Msg,
  NatsConnection,
  Subscription,
} from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { ResultListener } from '../../ports/result-store';
import { announcedBytes, answerFlowControl, pushedTo } from './push-consumer';
import type { ResultReads } from './result-reads';

export interface ResultFeedOptions {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly log: Logger;
  readonly reads: ResultReads;
}

/** What one consumer brings. */
interface Tap {
  readonly hasBodies: boolean;
  /** The server's name of it; undefined until it is there. */
  name: string | undefined;
  subscription: Subscription | undefined;
  /** Of the last delivery. */
  number: number;
}

const SILENT_MS = 3 * EDGE_LIMITS.resultHeartbeatMs;

export class ResultFeed {
  private tap: Tap | undefined;
  /** Of the last result heard of; undefined before the first consumer is there. */
  private lastSequence: number | undefined;
  private heardAtMs = 0;
  private timer: NodeJS.Timeout | undefined;
  private isRestarting = false;
  private isClosed = false;

  constructor(
    private readonly options: ResultFeedOptions,
    private readonly stream: string,
  ) {}

  async watch(listener: ResultListener): Promise<void> {
    await this.start(listener);
    this.timer = setInterval(() => this.look(listener), EDGE_LIMITS.resultLookMs);
    followLink(this.options.connection, {
      // The server may have been restarted, and the consumer lived in its memory.
      onReconnected: () => this.restart(listener, 'reconnected'),
      onFailed: (error) => this.options.log.error('link-news-failed', { error }),
    });
  }

  close(): void {
    this.isClosed = true;
    clearInterval(this.timer);
    this.tap?.subscription?.unsubscribe();
  }

  private look(listener: ResultListener): void {
    if (this.options.connection.isClosed()) return;
    const wantsBodies = listener.wantsBodies(this.stream);
    if (performance.now() - this.heardAtMs > SILENT_MS) this.restart(listener, 'silent');
    else if (wantsBodies !== this.tap?.hasBodies) {
      this.restart(listener, wantsBodies ? 'with-bodies' : 'headers-only');
    }
  }

  /** The former consumer goes on until this one is there. */
  private async start(listener: ResultListener): Promise<void> {
    const { connection, manager } = this.options;
    const tap: Tap = {
      hasBodies: listener.wantsBodies(this.stream),
      name: undefined,
      subscription: undefined,
      number: 0,
    };
    const inbox = createInbox();
    const isCurrent = (): boolean => this.tap === tap || this.tap === former;
    const former = this.tap;
    tap.subscription = connection.subscribe(inbox, {
      callback: (error, msg) => {
        if (error === null && isCurrent()) this.take(msg, tap, listener);
      },
    });
    try {
      const after = this.lastSequence;
      const { name, delivered } = await manager.consumers.add(this.stream, {
        ...pushedTo(inbox),
        ...startAfter(after),
        headers_only: !tap.hasBodies,
      });
      tap.name = name;
      // Lower than asked for: the stream was made anew.
      if (after === undefined) this.lastSequence ??= delivered.stream_seq;
      else if (delivered.stream_seq < after) this.lastSequence = delivered.stream_seq;
    } catch (error) {
      tap.subscription.unsubscribe();
      throw error;
    }
    this.tap = tap;
    if (former !== undefined) this.end(former);
    this.heardAtMs = performance.now();
    if (this.isClosed) tap.subscription.unsubscribe();
  }

  private end(former: Tap): void {
    former.subscription?.unsubscribe();
    if (former.name === undefined) return;
    // Where this fails, the consumer is gone already or expires by itself.
    this.options.manager.consumers.delete(this.stream, former.name).catch(() => undefined);
  }

  private restart(listener: ResultListener, reason: string): void {
    if (this.isRestarting || this.isClosed) return;
    const { log } = this.options;
    const { stream } = this;
    this.isRestarting = true;
    log.debug('result-consumer-restarted', { stream, reason });
    this.start(listener)
      .catch((error: unknown) => {
        log.warn('result-consumer-failed', { stream, reason: describeApiError(error) });
        // The next look at the silence tries again.
        this.heardAtMs = performance.now() - SILENT_MS + EDGE_LIMITS.resultRestartMs;
      })
      .finally(() => {
        this.isRestarting = false;
      });
  }

  private take(msg: Msg, tap: Tap, listener: ResultListener): void {
    this.heardAtMs = performance.now();
    try {
      const delivery = parseDelivery(msg.reply ?? '');
      if (delivery === undefined) {
        answerFlowControl(this.options.connection, msg);
        return;
      }
      const { sequence, consumerSequence } = delivery;
      if (consumerSequence !== tap.number + 1) {
        tap.subscription?.unsubscribe();
        return this.restart(listener, 'gap');
      }
      tap.number = consumerSequence;
      // Two consumers may overlap for a moment (N1).
      if (sequence <= (this.lastSequence ?? 0)) return;
      this.lastSequence = sequence;
      this.tell(msg, { sequence, tap, listener });
    } catch (error) {
      this.options.log.error('result-delivery-failed', { subject: msg.subject, error });
    }
  }

  private tell(
    msg: Msg,
    of: { readonly sequence: number; readonly tap: Tap; readonly listener: ResultListener },
  ): void {
    const task = parseResultSubject(msg.subject);
    if (task === undefined) return;
    this.options.reads.noteStored(`${task.tenant}.${task.task}`);
    const headers = (): Msg['headers'] => msg.headers;
    const { hasBodies } = of.tap;
    of.listener.onCommitted(task, {
      ...readResultMarks(readHeaders(headers).get),
      place: { stream: this.stream, sequence: of.sequence },
      bodyBytes: hasBodies ? msg.data.length : announcedBytes(headers),
      ...(hasBodies ? { body: msg.data } : {}),
    });
  }
}

function startAfter(sequence: number | undefined): Partial<ConsumerConfig> {
  return sequence === undefined
    ? { deliver_policy: DeliverPolicy.New }
    : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: sequence + 1 };
}

/**
 * Follows a key–value bucket: the rows as they are, and each change. Sole owner of its rows.
 *
 * Written on core NATS, not on the client's watch, which decodes foreign headers inside the parser
 * of the connection, and ends where a row can't be read. Here
 * - B1: a row that can't be read counts as none, and is told of; all others are followed;
 * - B2: a watch that broke (a gap, silence, a reconnect, a consumer that the server lost) begins
 *   again by itself, and gives all rows anew: what was deleted meanwhile is missing in them;
 * - B3: rows are given only when they are complete.
 * Its consumer lives in the server's memory and asks for no acknowledgements.
 */
import { GUARD_LIMITS, encodeJson, isRecord, settlesWithin } from '@llmos/base';
import type { Logger, OnSkipped } from '@llmos/base';
import { readApiAnswer } from './api-errors';
import { BucketRows } from './bucket-rows';
import type { Delivery } from './delivery';
import { parseDelivery } from './delivery';
import type { StatusConnection } from '../link/link-status';
import { followLink } from '../link/link-status';
import { guardCallback } from '../link/message-guard';
import type { DecodedHeaders } from '../link/message-headers';
import { readHeaders, statusOf } from '../link/message-headers';

export interface BucketRow {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
  /** By the server's clock. */
  readonly storedWallMs: number;
}

/** What is used of the client's messages. */
export interface BucketMessage {
  readonly subject: string;
  readonly reply?: string;
  readonly data: Uint8Array;
  /** Throws where they can't be read. */
  readonly headers?: DecodedHeaders & { readonly code: number };
}

/** What is used of the client's connection. */
export interface BucketConnection extends StatusConnection {
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: BucketMessage) => void },
  ): { unsubscribe(): void };
  publish(subject: string): void;
  request(
    subject: string,
    body: Uint8Array,
    options: { timeout: number },
  ): Promise<{ readonly data: Uint8Array }>;
  isClosed(): boolean;
}

export interface BucketReading<T> {
  readonly connection: BucketConnection;
  /** A subject that nobody else has, anew each time. */
  readonly createInbox: () => string;
  readonly bucket: string;
  /** Default: all. */
  readonly key?: string;
  /** Undefined where the row is none; may throw. */
  readonly read: (row: BucketRow) => T | undefined;
  /** Rows beyond it are left out, and told of. */
  readonly maxRows: number;
  /** The same of keys and values; default: what no bucket has that is used as it is meant. */
  readonly maxBytes?: number;
  readonly log: Logger;
  readonly onSkipped: OnSkipped;
}

export interface BucketWatchOptions<T> extends BucketReading<T> {
  /** @param change what has changed; absent where all rows were read anew. Must not throw. */
  readonly onRows: (rows: ReadonlyMap<string, T>, change?: BucketRow) => void;
}

export interface BucketWatch {
  /** Resolves when all rows were given for the first time, or the watch was closed. */
  readonly ready: Promise<void>;
  /** Of the rows that are held. */
  readonly bytes: number;
  /** May be called twice. */
  close(): void;
}

export function watchBucket<T>(options: BucketWatchOptions<T>): BucketWatch {
  const watch = new RunningWatch(options);
  watch.followReconnects();
  return watch;
}

/** All rows as they are now. Rejects where they can't be read within `limitMs`. */
export async function readBucket<T>(
  options: BucketReading<T>,
  limitMs: number,
): Promise<ReadonlyMap<string, T>> {
  let rows: ReadonlyMap<string, T> = new Map();
  const watch = new RunningWatch({ ...options, onRows: (read) => (rows = read) });
  try {
    if (await settlesWithin(watch.ready, limitMs)) return rows;
    throw new Error(`bucket ${options.bucket} can't be read: ${watch.lastReason}`);
  } finally {
    watch.close();
  }
}

class RunningWatch<T> implements BucketWatch {
  readonly ready: Promise<void>;
  /** Why it began again. */
  lastReason = 'no answer';
  private following: Following<T> | undefined;
  private isClosed = false;
  private timer: NodeJS.Timeout | undefined;
  private tellReady: () => void = () => undefined;
  private endFollowing: (() => Promise<void>) | undefined;

  constructor(private readonly options: BucketWatchOptions<T>) {
    this.ready = new Promise((resolve) => (this.tellReady = resolve));
    this.begin();
  }

  get bytes(): number {
    return this.following?.rows.bytes ?? 0;
  }

  /** The server may have been restarted, and the consumer lived in its memory. */
  followReconnects(): void {
    this.endFollowing = followLink(this.options.connection, {
      onReconnected: () => this.beginAgain('reconnected', 0),
      onFailed: (error) => this.options.log.error('link-news-failed', { error }),
    });
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.following?.end();
    void this.endFollowing?.();
    this.tellReady();
  }

  private begin(): void {
    if (this.isClosed || this.options.connection.isClosed()) return;
    const following: Following<T> = new Following(this.options, {
      onComplete: () => this.tellReady(),
      onBroken: (reason) => {
        if (this.following === following) this.beginAgain(reason, GUARD_LIMITS.bucketRetryMs);
      },
    });
    this.following = following;
    void following.begin();
  }

  private beginAgain(reason: string, waitMs: number): void {
    if (this.isClosed) return;
    const { log, bucket } = this.options;
    // Tries while the server is away are no news.
    const level = this.following?.isComplete === true ? 'info' : 'debug';
    log[level]('bucket-watched-anew', { bucket, reason });
    this.following?.end();
    this.following = undefined;
    this.lastReason = reason;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.begin(), waitMs);
  }
}

interface Ends {
  readonly onComplete: () => void;
  readonly onBroken: (reason: string) => void;
}

/** One consumer, from its creation to its end. */
class Following<T> {
  readonly rows: BucketRows<T>;
  private readonly prefix: string;
  private subscription: { unsubscribe(): void } | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Of the last delivery. */
  private number = 0;
  private isMade = false;
  isComplete = false;
  private isEnded = false;

  constructor(
    private readonly options: BucketWatchOptions<T>,
    private readonly ends: Ends,
  ) {
    this.prefix = `$KV.${options.bucket}.`;
    const { maxRows, maxBytes = GUARD_LIMITS.maxBucketBytes } = options;
    this.rows = new BucketRows({ rows: maxRows, bytes: maxBytes });
  }

  async begin(): Promise<void> {
    try {
      const inbox = this.options.createInbox();
      const take = (error: Error | null, message: BucketMessage): void => {
        if (error === null) this.take(message);
        else this.breakOff(error.message);
      };
      this.subscription = this.options.connection.subscribe(inbox, {
        callback: guardCallback(take, this.options.onSkipped),
      });
      const { pending } = await this.makeConsumer(inbox);
      if (this.isEnded) return;
      this.isMade = true;
      this.expectWord();
      if (pending === 0 && this.number === 0) this.complete();
    } catch (error) {
      this.breakOff(error instanceof Error ? error.message : String(error));
    }
  }

  end(): void {
    this.isEnded = true;
    clearTimeout(this.timer);
    this.subscription?.unsubscribe();
    this.subscription = undefined;
  }

  private async makeConsumer(inbox: string): Promise<{ readonly pending: unknown }> {
    const { bucket, key } = this.options;
    const stream = `KV_${bucket}`;
    await this.assertMade(stream);
    const config = {
      deliver_subject: inbox,
      deliver_policy: 'last_per_subject',
      ack_policy: 'none',
      replay_policy: 'instant',
      filter_subject: `${this.prefix}${key ?? '>'}`,
      max_deliver: 1,
      mem_storage: true,
      num_replicas: 1,
      flow_control: true,
      idle_heartbeat: nanos(GUARD_LIMITS.bucketHeartbeatMs),
      inactive_threshold: nanos(GUARD_LIMITS.bucketConsumerIdleMs),
    };
    const answer = await this.ask(`CONSUMER.CREATE.${stream}`, { stream_name: stream, config });
    return { pending: answer['num_pending'] };
  }

  /**
   * A server of 2.9 dies of requests about a stream that it is creating; a direct read is answered
   * by streams alone that are complete, whatever it finds.
   */
  private async assertMade(stream: string): Promise<void> {
    const { config } = await this.ask(`STREAM.INFO.${stream}`, {});
    if (!isRecord(config) || config['allow_direct'] !== true) return;
    const query = encodeJson({ last_by_subj: `${this.prefix}${this.options.key ?? '>'}` });
    await this.request(`DIRECT.GET.${stream}`, query);
  }

  private async ask(api: string, body: object): Promise<Readonly<Record<string, unknown>>> {
    const answer = readApiAnswer((await this.request(api, encodeJson(body))).data);
    if (answer.kind === 'answered') return answer.fields;
    if (answer.kind === 'refused') throw new Error(answer.refusal.description);
    throw new TypeError(`JetStream answers ${api} with no object`);
  }

  private request(api: string, body: Uint8Array): Promise<{ readonly data: Uint8Array }> {
    const options = { timeout: GUARD_LIMITS.bucketRequestMs };
    return this.options.connection.request(`$JS.API.${api}`, body, options);
  }

  private take(message: BucketMessage): void {
    if (this.isEnded) return;
    if (this.isMade) this.expectWord();
    const delivery = parseDelivery(message.reply ?? '');
    if (delivery === undefined) return this.hear(message);
    if (delivery.consumerSequence !== this.number + 1) return this.breakOff('a message was lost');
    this.number = delivery.consumerSequence;
    const change = this.apply(message, delivery);
    if (this.isComplete) this.options.onRows(this.rows.all, change);
    else if (delivery.pending === 0) this.complete();
  }

  /** Flow control is answered, a heartbeat is not: it says what was delivered. */
  private hear(message: BucketMessage): void {
    if (statusOf(message) !== CONTROL) return;
    if (message.reply) return this.options.connection.publish(message.reply);
    const header = readHeaders(() => message.headers).get;
    const stalled = header('Nats-Consumer-Stalled');
    if (stalled !== undefined) this.options.connection.publish(stalled);
    const delivered = header('Nats-Last-Consumer');
    if (delivered !== undefined && Number(delivered) !== this.number) {
      return this.breakOff('a message was lost');
    }
    // Nothing waits where a server has the time to say so.
    if (!this.isComplete) this.complete();
  }

  private apply(message: BucketMessage, delivery: Delivery): BucketRow {
    const row: BucketRow = {
      key: message.subject.slice(this.prefix.length),
      value: message.data,
      revision: delivery.sequence,
      storedWallMs: delivery.storedWallMs,
    };
    const value = this.tryRead(message, row);
    if (value === undefined) this.rows.delete(row.key);
    else if (!this.rows.set(row.key, value, row.value.length)) {
      const reason = `${this.options.bucket} has more rows or bytes than are read`;
      this.options.onSkipped({ subject: message.subject, reason });
    }
    return row;
  }

  private tryRead(message: BucketMessage, row: BucketRow): T | undefined {
    // Markers of what was deleted have no body.
    if (row.value.length === 0) return undefined;
    const { subject } = message;
    try {
      const { get, isReadable } = readHeaders(() => message.headers);
      if (!isReadable) throw new TypeError('the headers of the row can’t be read');
      const operation = get('KV-Operation');
      if (operation !== undefined && operation !== '') return undefined;
      return this.options.read(row);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.options.onSkipped({ subject, reason });
      return undefined;
    }
  }

  private complete(): void {
    this.isComplete = true;
    this.options.onRows(this.rows.all);
    this.ends.onComplete();
  }

  private expectWord(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.breakOff('silent'), 3 * GUARD_LIMITS.bucketHeartbeatMs);
  }

  private breakOff(reason: string): void {
    if (this.isEnded) return;
    this.end();
    this.ends.onBroken(reason);
  }
}

const CONTROL = 100;

function nanos(ms: number): number {
  return ms * 1_000_000;
}

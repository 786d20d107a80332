/**
 * Keeps two pull requests of one consumer in flight and hands each message on, at once.
 *
 * Written on core NATS, not on the client's consumers, for three reasons: no promise per message,
 * fetching stops exactly when asked (backpressure), and no foreign header is decoded outside our
 * own guard. A pull ends when it is full, by a status of the server, or after its time.
 */
import type { Logger } from '@llmos/base';
import { STREAMS, encodeJson } from '@llmos/base';
import { createInbox, nanos } from 'nats';
import type { Msg, NatsConnection, Subscription } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import { statusOf } from './headers';

export interface IntakePullOptions {
  readonly connection: NatsConnection;
  readonly consumer: string;
  readonly log: Logger;
  readonly isOpen: () => boolean;
  /** Must not throw. */
  readonly onMessage: (msg: Msg) => void;
}

export class IntakePull {
  private readonly slots: readonly PullSlot[];

  constructor(options: IntakePullOptions) {
    this.slots = [new PullSlot(options), new PullSlot(options)];
  }

  /** Asks for more where nothing is asked for. */
  pump(): void {
    for (const slot of this.slots) slot.tryPull();
  }

  /** After a reconnect: the server may have forgotten what was asked. */
  restart(): void {
    for (const slot of this.slots) slot.reset();
    this.pump();
  }

  end(): void {
    for (const slot of this.slots) slot.end();
  }
}

const STATUS_ROUTINE: ReadonlySet<number> = new Set([404, 408]);

class PullSlot {
  private readonly subscription: Subscription;
  private readonly inbox = createInbox();
  private readonly subject: string;
  /** Messages that the pull in flight may still bring; 0: none is in flight. */
  private wanted = 0;
  private timer: NodeJS.Timeout | undefined;
  private isEnded = false;

  constructor(private readonly options: IntakePullOptions) {
    this.subject = `$JS.API.CONSUMER.MSG.NEXT.${STREAMS.tasks}.${options.consumer}`;
    this.subscription = options.connection.subscribe(this.inbox, {
      callback: (error, msg) => {
        if (error === null) this.take(msg);
        else options.log.warn('intake-subscription-failed', { error });
      },
    });
  }

  tryPull(): void {
    if (this.wanted > 0 || this.isEnded || !this.options.isOpen()) return;
    this.wanted = EDGE_LIMITS.pullBatch;
    const request = { batch: this.wanted, expires: nanos(EDGE_LIMITS.pullExpiresMs) };
    this.watch(EDGE_LIMITS.pullExpiresMs + EDGE_LIMITS.pullGraceMs);
    this.options.connection.publish(this.subject, encodeJson(request), { reply: this.inbox });
  }

  reset(): void {
    this.wanted = 0;
    clearTimeout(this.timer);
  }

  end(): void {
    this.isEnded = true;
    clearTimeout(this.timer);
    this.subscription.unsubscribe();
  }

  private take(msg: Msg): void {
    if (this.isEnded) return;
    const status = msg.reply === '' || msg.reply === undefined ? statusOf(msg) : 0;
    if (status > 0) return this.endPull(status);
    if (this.wanted > 0) this.wanted -= 1;
    this.options.onMessage(msg);
    if (this.wanted === 0) this.tryPull();
  }

  private endPull(status: number): void {
    if (status === 100) return;
    this.reset();
    if (STATUS_ROUTINE.has(status)) return this.tryPull();
    // A deleted consumer, no responder, a change of the stream's leader: not at full speed.
    this.options.log.debug('intake-pull-ended', { consumer: this.options.consumer, status });
    this.watch(EDGE_LIMITS.takeoverRetryMs * 5);
  }

  private watch(waitMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.wanted = 0;
      this.tryPull();
    }, waitMs);
  }
}

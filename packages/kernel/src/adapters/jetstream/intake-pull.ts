/**
 * Keeps two pull requests of one consumer in flight and hands each message on, at once.
 *
 * Written on core NATS, not on the client's consumers, for three reasons: no promise per message,
 * fetching stops exactly when asked (backpressure), and no foreign header is decoded outside our
 * own guard. What is decided stands in intake/: how fast to ask (IntakePace), whether to ask again
 * (PullState), what was lost (Deliveries). Here it is carried out: requests, timers, subscriptions.
 *
 * What is lost on its way with a connection is delivered for the server, and comes again after a
 * day only. So where a delivery is missing, the consumer is made anew, and everything that is not
 * acknowledged comes once more, in its order.
 */
import type { Logger } from '@llmos/base';
import { STREAMS, encodeJson } from '@llmos/base';
import type { Delivery, Msg, NatsConnection, Subscription } from '@llmos/wire';
import {
  parseDelivery,
  statusOf,
  describeApiError,
  isApiError,
  createInbox,
  nanos,
} from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { Deliveries } from '../../intake/deliveries';
import type { IntakePace } from '../../intake/intake-pace';
import type { PullStep } from '../../intake/pull-state';
import { PullState } from '../../intake/pull-state';

export interface IntakePullOptions {
  readonly connection: NatsConnection;
  readonly consumer: string;
  readonly log: Logger;
  readonly isOpen: () => boolean;
  readonly pace: Pick<IntakePace, 'batch' | 'pauseMs'>;
  /** Must not throw; whether the task was not known yet. */
  readonly onMessage: (msg: Msg, delivery: Delivery) => boolean;
  /** Asks the server for the number of the last delivery that it made. */
  readonly lastDelivery: () => Promise<number>;
  /** Deletes the consumer and makes it anew; may be called again where it failed. */
  readonly remake: () => Promise<void>;
}

export class IntakePull {
  private pulls: readonly Pull[];
  private readonly deliveries = new Deliveries();
  private isChecking = false;
  private isRemaking = false;
  private isEnded = false;
  private readonly timers = new Set<NodeJS.Timeout>();

  constructor(private readonly options: IntakePullOptions) {
    this.pulls = this.openPulls();
  }

  /** Asks for more where nothing is asked for. */
  pump(): void {
    for (const pull of this.pulls) pull.tryPull();
  }

  /** After a reconnect: the server may have forgotten what was asked. */
  restart(of: { readonly hasForgotten: boolean }): void {
    if (of.hasForgotten) return void this.remake(this.deliveries.count);
    for (const pull of this.pulls) pull.reset();
    this.pump();
    void this.check();
  }

  end(): void {
    this.isEnded = true;
    for (const timer of this.timers) clearTimeout(timer);
    for (const pull of this.pulls) pull.end();
  }

  private openPulls(): readonly Pull[] {
    const { pace } = this.options;
    const options = {
      ...this.options,
      onMessage: (msg: Msg): void => this.receive(msg),
      onPullEnded: (): void => void this.check(),
      batch: (): number => pace.batch(this.deliveries.last),
      pauseMs: (): number => {
        this.deliveries.endPull();
        return pace.pauseMs(this.deliveries.last);
      },
    };
    return [new Pull(options), new Pull(options)];
  }

  private receive(msg: Msg): void {
    const delivery = parseDelivery(msg.reply ?? '');
    if (delivery === undefined) return;
    if (!this.deliveries.take(delivery)) return void this.remake(delivery.consumerSequence - 1);
    this.deliveries.noteKind(this.options.onMessage(msg, delivery));
  }

  /** Whether everything came that the server has delivered, when it had its time to come. */
  private async check(): Promise<void> {
    if (this.isChecking || this.isEnded) return;
    this.isChecking = true;
    const { pulls, deliveries } = this;
    const isOver = (): boolean => this.isEnded || this.pulls !== pulls;
    while (!isOver()) {
      const number = await this.tryAsk();
      if (isOver() || (number !== undefined && deliveries.hasAll(number))) break;
      await this.pause(EDGE_LIMITS.intakeCheckMs);
      if (number === undefined || isOver()) continue;
      // An answer comes behind everything that was on its way, however late we read it (D3).
      if ((await this.tryAsk()) === undefined || isOver()) continue;
      if (!deliveries.hasAll(number)) void this.remake(number);
      break;
    }
    this.isChecking = false;
  }

  /** Undefined where the server does not answer now; infinite where the consumer is gone. */
  private async tryAsk(): Promise<number | undefined> {
    try {
      return await this.options.lastDelivery();
    } catch (error) {
      const reason = describeApiError(error);
      this.options.log.debug('intake-check-failed', { consumer: this.options.consumer, reason });
      return isApiError(error, 'consumerNotFound') ? Number.POSITIVE_INFINITY : undefined;
    }
  }

  /** @param delivered as many as came: it is made anew for what the server has forgotten. */
  private async remake(delivered: number): Promise<void> {
    const { log, consumer } = this.options;
    const came = this.deliveries.count;
    if (this.isRemaking || this.isEnded) return;
    this.isRemaking = true;
    if (delivered > came) log.warn('intake-delivery-lost', { consumer, came, delivered });
    else log.info('intake-begins-again', { consumer });
    for (const pull of this.pulls) pull.end();
    this.pulls = [];
    this.deliveries.restart();
    for (let isMade = false; !isMade;) {
      try {
        await this.options.remake();
        isMade = true;
      } catch (error) {
        log.warn('intake-remake-failed', { consumer, reason: describeApiError(error) });
        await this.pause(EDGE_LIMITS.intakeCheckMs);
      }
      if (this.isEnded) return;
    }
    this.isRemaking = false;
    this.pulls = this.openPulls();
    this.pump();
  }

  /** Never ends where the pull has. */
  private pause(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.timers.delete(timer);
        resolve();
      }, waitMs);
      this.timers.add(timer);
    });
  }
}

interface PullOptions extends Pick<
  IntakePullOptions,
  'connection' | 'consumer' | 'log' | 'isOpen'
> {
  readonly onMessage: (msg: Msg) => void;
  readonly onPullEnded: () => void;
  readonly batch: () => number;
  readonly pauseMs: () => number;
}

const SILENT_MS = 3 * EDGE_LIMITS.pullHeartbeatMs;

/** A permit to pull: one request after the other, each on the same inbox. */
class Pull {
  private readonly subscription: Subscription;
  private readonly inbox = createInbox();
  private readonly subject: string;
  private readonly state = new PullState(SILENT_MS);
  private timer: NodeJS.Timeout | undefined;
  /** Set while the next request is due. */
  private cancelDue: (() => void) | undefined;
  private isEnded = false;

  constructor(private readonly options: PullOptions) {
    this.subject = `$JS.API.CONSUMER.MSG.NEXT.${STREAMS.tasks}.${options.consumer}`;
    this.subscription = options.connection.subscribe(this.inbox, {
      callback: (error, msg) => {
        if (error === null) this.take(msg);
        else options.log.warn('intake-subscription-failed', { error });
      },
    });
  }

  tryPull(): void {
    if (this.cancelDue !== undefined || this.isEnded) return;
    if (this.state.isInFlight || !this.options.isOpen()) return;
    const batch = this.options.batch();
    this.state.begin(batch, performance.now());
    // One message must always fit, or nothing would ever come.
    const largest = 2 * (this.options.connection.info?.max_payload ?? 0);
    const request = {
      batch,
      max_bytes: Math.max(EDGE_LIMITS.pullBytes, largest),
      expires: nanos(EDGE_LIMITS.pullExpiresMs),
      idle_heartbeat: nanos(EDGE_LIMITS.pullHeartbeatMs),
    };
    this.watchSilence();
    this.options.connection.publish(this.subject, encodeJson(request), { reply: this.inbox });
  }

  reset(): void {
    this.state.forget();
    clearTimeout(this.timer);
  }

  end(): void {
    this.isEnded = true;
    clearTimeout(this.timer);
    this.cancelDue?.();
    this.subscription.unsubscribe();
  }

  private take(msg: Msg): void {
    if (this.isEnded) return;
    const status = msg.reply === '' || msg.reply === undefined ? statusOf(msg) : 0;
    if (status > 0) return this.endPull(status);
    const step = this.state.onMessage(performance.now());
    this.options.onMessage(msg);
    this.follow(step);
  }

  private endPull(status: number): void {
    const step = this.state.onStatus(status, performance.now());
    if (step === 'wait') return;
    clearTimeout(this.timer);
    this.options.onPullEnded();
    if (step === 'later') {
      this.options.log.debug('intake-pull-ended', { consumer: this.options.consumer, status });
    }
    this.follow(step);
  }

  private follow(step: PullStep): void {
    if (step === 'again') this.pullSoon();
    else if (step === 'later') this.look(() => this.tryPull(), EDGE_LIMITS.takeoverRetryMs * 5);
  }

  /**
   * In the next turn of the event loop. Asked for while messages are handled, the next ones would
   * be there before the last is: with a flood in the stream, timers and requests would wait.
   */
  private pullSoon(): void {
    if (this.cancelDue !== undefined) return;
    const go = (): void => {
      this.cancelDue = undefined;
      this.tryPull();
    };
    const pauseMs = this.options.pauseMs();
    if (pauseMs >= 1) {
      const timer = setTimeout(go, pauseMs);
      this.cancelDue = () => clearTimeout(timer);
    } else {
      const immediate = setImmediate(go);
      this.cancelDue = () => clearImmediate(immediate);
    }
  }

  /** A timer for each message would cost more than the messages. */
  private watchSilence(): void {
    const look = (): void => {
      const leftMs = this.state.silenceLeftMs(performance.now());
      if (leftMs > 0) return this.look(look, leftMs);
      this.options.log.debug('intake-pull-silent', { consumer: this.options.consumer });
      this.state.forget();
      this.options.onPullEnded();
      this.tryPull();
    };
    this.look(look, SILENT_MS);
  }

  private look(look: () => void, waitMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(look, waitMs);
  }
}

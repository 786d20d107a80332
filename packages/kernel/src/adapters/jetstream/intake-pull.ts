/**
 * Keeps two pull requests of one consumer in flight and hands each message on, at once.
 *
 * Written on core NATS, not on the client's consumers, for three reasons: no promise per message,
 * fetching stops exactly when asked (backpressure), and no foreign header is decoded outside our
 * own guard. A pull ends when it is full, by a status of the server, after its time, or where the
 * server falls silent: one that hangs, or whose successor leads the consumer, knows it no longer.
 *
 * What is lost on its way with a connection is delivered for the server, and comes again after a
 * day only. But deliveries are numbered: where one is missing, the consumer is made anew, and
 * everything that is not acknowledged comes once more, in its order.
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
import type { IntakePace, LastTasks } from './intake-pace';

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
  private slots: readonly PullSlot[];
  /** The number of the last delivery that came. */
  private lastNumber = 0;
  /** Of the last task that came, in the stream. */
  private lastSequence = 0;
  /** Of those that came since the last full pull, how many more were new than known. */
  private newer = 0;
  private isMass = false;
  private isChecking = false;
  private isRemaking = false;
  private isEnded = false;
  private readonly timers = new Set<NodeJS.Timeout>();

  constructor(private readonly options: IntakePullOptions) {
    this.slots = this.openSlots();
  }

  /** Asks for more where nothing is asked for. */
  pump(): void {
    for (const slot of this.slots) slot.tryPull();
  }

  /** After a reconnect: the server may have forgotten what was asked. */
  restart(of: { readonly hasForgotten: boolean }): void {
    if (of.hasForgotten) return void this.remake(this.lastNumber);
    for (const slot of this.slots) slot.reset();
    this.pump();
    void this.check();
  }

  end(): void {
    this.isEnded = true;
    for (const timer of this.timers) clearTimeout(timer);
    for (const slot of this.slots) slot.end();
  }

  private openSlots(): readonly PullSlot[] {
    const options = {
      ...this.options,
      onMessage: (msg: Msg): void => this.receive(msg),
      onPullEnded: (): void => void this.check(),
      batch: (): number => this.options.pace.batch(this.lastTasks()),
      pauseMs: (): number => {
        this.isMass = this.newer > 0;
        this.newer = 0;
        return this.options.pace.pauseMs(this.lastTasks());
      },
    };
    return [new PullSlot(options), new PullSlot(options)];
  }

  private receive(msg: Msg): void {
    const delivery = parseDelivery(msg.reply ?? '');
    if (delivery === undefined) return;
    const { consumerSequence: number } = delivery;
    // A lower number: the server was killed and has forgotten its last deliveries.
    if (number > this.lastNumber + 1) return void this.remake(number - 1);
    this.lastNumber = number;
    this.lastSequence = delivery.sequence;
    this.newer += this.options.onMessage(msg, delivery) ? 1 : -1;
  }

  private lastTasks(): LastTasks {
    return { sequence: this.lastSequence, areNew: this.isMass };
  }

  /** Whether everything came that the server has delivered, when it had its time to come. */
  private async check(): Promise<void> {
    if (this.isChecking || this.isEnded) return;
    this.isChecking = true;
    const { slots } = this;
    const isOver = (): boolean => this.isEnded || this.slots !== slots;
    while (!isOver()) {
      const number = await this.tryAsk();
      if (isOver() || (number !== undefined && number <= this.lastNumber)) break;
      await this.pause(EDGE_LIMITS.intakeCheckMs);
      if (number === undefined || isOver()) continue;
      // An answer comes behind everything that was on its way, however late we read it.
      if ((await this.tryAsk()) === undefined || isOver()) continue;
      if (number > this.lastNumber) void this.remake(number);
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
    const came = this.lastNumber;
    if (this.isRemaking || this.isEnded) return;
    this.isRemaking = true;
    if (delivered > came) log.warn('intake-delivery-lost', { consumer, came, delivered });
    else log.info('intake-begins-again', { consumer });
    for (const slot of this.slots) slot.end();
    this.slots = [];
    this.lastNumber = 0;
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
    this.slots = this.openSlots();
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

interface PullSlotOptions extends Pick<
  IntakePullOptions,
  'connection' | 'consumer' | 'log' | 'isOpen'
> {
  readonly onMessage: (msg: Msg) => void;
  readonly onPullEnded: () => void;
  readonly batch: () => number;
  readonly pauseMs: () => number;
}

const SILENT_MS = 3 * EDGE_LIMITS.pullHeartbeatMs;
const STATUS_ROUTINE: ReadonlySet<number> = new Set([404, 408]);

class PullSlot {
  private readonly subscription: Subscription;
  private readonly inbox = createInbox();
  private readonly subject: string;
  /** Messages that the pull in flight may still bring; 0: none is in flight. */
  private wanted = 0;
  private hasBrought = false;
  private heardAtMs = 0;
  private timer: NodeJS.Timeout | undefined;
  /** Set while the next pull is due. */
  private cancelDue: (() => void) | undefined;
  private isEnded = false;

  constructor(private readonly options: PullSlotOptions) {
    this.subject = `$JS.API.CONSUMER.MSG.NEXT.${STREAMS.tasks}.${options.consumer}`;
    this.subscription = options.connection.subscribe(this.inbox, {
      callback: (error, msg) => {
        if (error === null) this.take(msg);
        else options.log.warn('intake-subscription-failed', { error });
      },
    });
  }

  tryPull(): void {
    if (this.cancelDue !== undefined) return;
    if (this.wanted > 0 || this.isEnded || !this.options.isOpen()) return;
    this.wanted = this.options.batch();
    this.hasBrought = false;
    // One message must always fit, or nothing would ever come.
    const largest = 2 * (this.options.connection.info?.max_payload ?? 0);
    const request = {
      batch: this.wanted,
      max_bytes: Math.max(EDGE_LIMITS.pullBytes, largest),
      expires: nanos(EDGE_LIMITS.pullExpiresMs),
      idle_heartbeat: nanos(EDGE_LIMITS.pullHeartbeatMs),
    };
    this.watchSilence();
    this.options.connection.publish(this.subject, encodeJson(request), { reply: this.inbox });
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

  reset(): void {
    this.wanted = 0;
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
    if (this.wanted > 0) this.wanted -= 1;
    this.hasBrought = true;
    this.heardAtMs = performance.now();
    this.options.onMessage(msg);
    if (this.wanted === 0) this.pullSoon();
  }

  private endPull(status: number): void {
    this.heardAtMs = performance.now();
    if (status === 100) return;
    this.reset();
    this.options.onPullEnded();
    // What ends after it brought something was full, by bytes.
    if (STATUS_ROUTINE.has(status) || this.hasBrought) return this.pullSoon();
    // A deleted consumer, no responder, a change of the stream's leader: not at full speed.
    this.options.log.debug('intake-pull-ended', { consumer: this.options.consumer, status });
    this.watch(EDGE_LIMITS.takeoverRetryMs * 5);
  }

  /** A timer for each message would cost more than the messages. */
  private watchSilence(): void {
    this.heardAtMs = performance.now();
    const look = (): void => {
      const silentMs = performance.now() - this.heardAtMs;
      if (silentMs < SILENT_MS) return this.look(look, SILENT_MS - silentMs);
      this.options.log.debug('intake-pull-silent', { consumer: this.options.consumer });
      this.wanted = 0;
      this.options.onPullEnded();
      this.tryPull();
    };
    this.look(look, SILENT_MS);
  }

  private look(look: () => void, waitMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(look, waitMs);
  }

  private watch(waitMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.wanted = 0;
      this.tryPull();
    }, waitMs);
  }
}

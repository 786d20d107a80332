/**
 * Committed results: one ephemeral push consumer on LLMOS_RESULTS per kernel, and leader reads.
 *
 * Only what the consumer delivers was committed (a losing commit is visible on the subject itself).
 * The consumer has no acknowledgements and lives in memory; if it falls silent, skips or is lost,
 * another one starts after the last result seen. Foreign headers are read behind our own guard.
 */
import type { Logger, TenantTask } from '@llmos/base';
import { HEADERS, PROTOBUF_CONTENT_TYPE, STREAMS, parseTenantTask } from '@llmos/base';
import { AckPolicy, DeliverPolicy, Events, ReplayPolicy, createInbox, nanos } from 'nats';
import type { JetStreamManager, Msg, NatsConnection, Subscription } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import type { ResultStore, StoredResult } from '../../ports/result-store';
import { parseDelivery } from './delivery';
import { readHeaders, statusOf } from './headers';
import type { ResultReads, StoredMessage } from './result-reads';

type OnResult = (of: TenantTask, result: StoredResult) => void;

export class JetStreamResultStore implements ResultStore {
  private subscription: Subscription | undefined;
  private lastSequence = 0;
  private consumerSequence = 0;
  private heardAtMs = 0;
  private timer: NodeJS.Timeout | undefined;
  private isRestarting = false;
  private isClosed = false;

  constructor(
    private readonly options: {
      readonly connection: NatsConnection;
      readonly manager: JetStreamManager;
      readonly log: Logger;
      readonly reads: ResultReads;
    },
  ) {}

  async watch(onResult: OnResult): Promise<void> {
    await this.start(onResult);
    this.timer = setInterval(() => {
      const isSilent = performance.now() - this.heardAtMs > 3 * EDGE_LIMITS.resultHeartbeatMs;
      if (isSilent && !this.options.connection.isClosed()) this.restart(onResult, 'silent');
    }, EDGE_LIMITS.resultHeartbeatMs);
    void this.watchReconnects(onResult);
  }

  async read(of: TenantTask): Promise<StoredResult | undefined> {
    return storedResult(await this.options.reads.read(of));
  }

  async readForTask(of: TenantTask): Promise<StoredResult | undefined> {
    return storedResult(await this.options.reads.readForTask(of));
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.timer);
    this.subscription?.unsubscribe();
    return Promise.resolve();
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
    await this.options.manager.consumers.add(STREAMS.results, {
      deliver_subject: inbox,
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      ...(this.lastSequence === 0
        ? { deliver_policy: DeliverPolicy.New }
        : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: this.lastSequence + 1 }),
      mem_storage: true,
      num_replicas: 1,
      max_deliver: 1,
      flow_control: true,
      idle_heartbeat: nanos(EDGE_LIMITS.resultHeartbeatMs),
      inactive_threshold: nanos(EDGE_LIMITS.resultConsumerIdleMs),
    });
  }

  /** The server may have been restarted, and the consumer lived in its memory. */
  private async watchReconnects(onResult: OnResult): Promise<void> {
    for await (const status of this.options.connection.status()) {
      if (status.type === Events.Reconnect) this.restart(onResult, 'reconnected');
    }
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
        // Flow control is answered, a heartbeat is not.
        if (statusOf(msg) === 100 && msg.reply) this.options.connection.publish(msg.reply);
        return;
      }
      if (delivery.consumerSequence !== this.consumerSequence + 1) {
        return this.restart(onResult, 'gap');
      }
      this.consumerSequence = delivery.consumerSequence;
      this.lastSequence = delivery.sequence;
      const of = parseTenantTask('result', msg.subject);
      if (of === undefined) return;
      this.options.reads.noteStored(`${of.tenant}.${of.task}`);
      const contentType = readHeaders(() => msg.headers).get(HEADERS.contentType);
      onResult(of, resultOf(msg.data, contentType));
    } catch (error) {
      this.options.log.error('result-delivery-failed', { subject: msg.subject, error });
    }
  }
}

function storedResult(stored: StoredMessage | undefined): StoredResult | undefined {
  if (stored === undefined) return undefined;
  return resultOf(stored.data, readHeaders(stored.headers).get(HEADERS.contentType));
}

function resultOf(body: Uint8Array, contentType: string | undefined): StoredResult {
  return { body, format: contentType === PROTOBUF_CONTENT_TYPE ? 'protobuf' : 'json' };
}

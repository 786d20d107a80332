/**
 * Stored chunks in LLMOS_STREAMS, and core NATS messages to readers that attached.
 *
 * Each message to a reader has a reply subject of ours: where nobody listens, the server says so
 * there (503), and a reader that left is found without a word from it.
 */
import type { StoredChunk, TenantTask } from '@llmos/base';
import {
  HEADERS,
  PROTOBUF_CONTENT_TYPE,
  STREAMS,
  encodeJson,
  failure,
  subjects,
} from '@llmos/base';
import {
  checkAnswerSize,
  statusOf,
  readNext,
  readStoredChunk,
  createInbox,
  headers as newHeaders,
  STATUSES,
} from '@llmos/wire';
import type { JetStreamManager, NatsConnection } from '@llmos/wire';
import type { ReaderFeed, ReaderMessage, StreamLink } from '../../ports/stream-link';

export class JetStreamStreamLink implements StreamLink {
  private readonly inbox = createInbox();
  private readonly deliveries = new Map<string, () => void>();
  private nextDelivery = 0;

  constructor(
    private readonly options: {
      readonly connection: NatsConnection;
      readonly manager: JetStreamManager;
    },
  ) {
    options.connection.subscribe(`${this.inbox}.*`, {
      callback: (error, msg) => {
        if (error !== null || statusOf(msg) !== STATUSES.noResponders) return;
        this.deliveries.get(msg.subject.slice(this.inbox.length + 1))?.();
      },
    });
  }

  async readChunk(of: TenantTask, fromSequence: number): Promise<StoredChunk | undefined> {
    const from = { sequence: fromSequence, subject: subjects.stream(of) };
    const stored = await readNext(this.options.manager, STREAMS.streams, from);
    return stored && readStoredChunk(stored);
  }

  watch(of: TenantTask, onChunk: () => void): () => void {
    const { connection } = this.options;
    if (connection.isClosed()) return () => undefined;
    const subscription = connection.subscribe(subjects.stream(of), { callback: onChunk });
    return () => {
      if (!subscription.isClosed()) subscription.unsubscribe();
    };
  }

  openFeed(of: Parameters<StreamLink['openFeed']>[0], onUnheard: () => void): ReaderFeed {
    const subject = subjects.deliver(of);
    const token = (this.nextDelivery += 1).toString(36);
    this.deliveries.set(token, onUnheard);
    const reply = `${this.inbox}.${token}`;
    return {
      send: (message) => this.send({ subject, reply }, message),
      close: () => void this.deliveries.delete(token),
    };
  }

  private send(
    to: { readonly subject: string; readonly reply: string },
    given: ReaderMessage,
  ): void {
    const { connection } = this.options;
    const message = fitting(given, connection);
    const headers = newHeaders();
    headers.set(HEADERS.task, message.task);
    if (message.end !== undefined) headers.set(HEADERS.end, message.end);
    if (message.format === 'protobuf') headers.set(HEADERS.contentType, PROTOBUF_CONTENT_TYPE);
    connection.publish(to.subject, message.body, { headers, reply: to.reply });
  }
}

/** The limit of the server may have been lowered since a result was stored: then that is told. */
function fitting(message: ReaderMessage, connection: NatsConnection): ReaderMessage {
  const tooLarge = checkAnswerSize(message.body.length, connection);
  if (tooLarge === undefined) return message;
  const { task, end = 'detached' } = message;
  return { task, body: encodeJson(failure(tooLarge)), end };
}

/** Requests over core NATS, behind a guard: nothing foreign may throw into the client. */
import type { BodyFormat, HeaderSource, Logger } from '@llmos/base';
import {
  HEADERS,
  PROTOBUF_CONTENT_TYPE,
  encodeJson,
  failure,
  isAnswerable,
  ownBytes,
  settlesWithin,
} from '@llmos/base';
import type { HeaderReading, Msg, NatsConnection, Subscription } from '@llmos/wire';
import {
  checkAnswerSize,
  checkHeaderSize,
  messageBytesOf,
  readHeaders,
  headers as newHeaders,
} from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { KernelCounters } from '../../ports/kernel-counters';
import type {
  Answering,
  ForeignRequest,
  RequestLink,
  ServedSubject,
} from '../../ports/request-link';

const PROTOBUF_HEADERS = newHeaders();
PROTOBUF_HEADERS.set(HEADERS.contentType, PROTOBUF_CONTENT_TYPE);

export class NatsRequestLink implements RequestLink {
  constructor(
    private readonly options: {
      readonly connection: NatsConnection;
      readonly log: Logger;
      readonly counters: KernelCounters;
    },
  ) {}

  maxAnswerBytes(): number {
    const { info } = this.options.connection;
    return info?.max_payload ?? EDGE_LIMITS.pageBytes;
  }

  serve(of: Parameters<RequestLink['serve']>[0]): ServedSubject {
    const { connection, log } = this.options;
    const subscription = connection.subscribe(of.pattern, {
      ...(of.queue === undefined ? {} : { queue: of.queue }),
      callback: (error, msg) => {
        if (error !== null) return log.warn('request-subscription-failed', { error });
        try {
          this.receive(msg, of);
        } catch (thrown) {
          log.error('request-failed', { subject: msg.subject.slice(0, 256), error: thrown });
        }
      },
    });
    return { stop: () => this.end(subscription) };
  }

  async heard(): Promise<void> {
    const { connection, log } = this.options;
    while (!connection.isClosed()) {
      try {
        await Promise.race([connection.flush(), connection.closed()]);
        return;
      } catch (error) {
        // It went down meanwhile: the client subscribes anew once it is up again, and is asked anew.
        log.info('request-flush-failed', { error });
      }
    }
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  refuseRest(): void {
    // Each is handed on as it comes.
  }

  /** Unlike `unsubscribe`, which drops what the server has sent already. */
  private async end(subscription: Subscription): Promise<void> {
    try {
      await settlesWithin(subscription.drain(), EDGE_LIMITS.drainMs);
    } catch (error) {
      // Closed already, or cut off: nothing comes any more.
      this.options.log.debug('request-drain-failed', { error });
    }
  }

  private receive(msg: Msg, of: Parameters<RequestLink['serve']>[0]): void {
    const reply = msg.reply === '' ? undefined : msg.reply;
    const canAnswer = isAnswerable(reply);
    if (!canAnswer && of.isAnswerOptional !== true) {
      this.options.counters.add('requests_unanswerable');
      return;
    }
    const to = canAnswer ? reply : undefined;
    const tooLarge = checkHeaderSize(msg);
    if (tooLarge === undefined) return of.handle(new NatsRequest(msg, to, this.options.connection));
    answeringOf(this.options.connection, to).answer(encodeJson(failure(tooLarge)));
  }
}

/**
 * Made of each message, also of those of a flood, which are only told to come later: its parts are
 * made where they are read.
 */
class NatsRequest implements ForeignRequest {
  private headers: HeaderReading | undefined;
  private answering: Answering | undefined;
  private ownBody: Uint8Array | undefined;

  constructor(
    private readonly msg: Msg,
    /** Undefined: it can't be answered. */
    private readonly reply: string | undefined,
    private readonly connection: NatsConnection,
  ) {}

  get subject(): string {
    return this.msg.subject;
  }

  get body(): Uint8Array {
    return (this.ownBody ??= ownBytes(this.msg.data));
  }

  get bytes(): number {
    return messageBytesOf(this.msg) ?? this.msg.data.length;
  }

  get header(): HeaderSource {
    return this.reading().get;
  }

  get answer(): Answering['answer'] {
    return this.answers().answer;
  }

  get refuse(): Answering['refuse'] {
    return this.answers().refuse;
  }

  get own(): () => ForeignRequest {
    return () => {
      const { subject, bytes, header, body, answer, refuse } = this;
      return ownRequest({ subject, bytes, header, body, answer, refuse });
    };
  }

  private reading(): HeaderReading {
    return (this.headers ??= readHeaders(() => this.msg.headers));
  }

  private answers(): Answering {
    return (this.answering ??= answeringOf(this.connection, this.reply));
  }
}

function ownRequest(parts: Omit<ForeignRequest, 'own'>): ForeignRequest {
  const request: ForeignRequest = { ...parts, own: () => request };
  return request;
}

/** Apart from the message: who waits for an answer holds this for long. */
function answeringOf(connection: NatsConnection, reply: string | undefined): Answering {
  let isAnswered = reply === undefined;
  const answer = (body: Uint8Array, format: BodyFormat = 'json'): void => {
    if (isAnswered || reply === undefined || connection.isClosed()) return;
    isAnswered = true;
    const tooLarge = checkAnswerSize(body.length, connection);
    if (tooLarge !== undefined) connection.publish(reply, encodeJson(failure(tooLarge)));
    else if (format === 'json') connection.publish(reply, body);
    else connection.publish(reply, body, { headers: PROTOBUF_HEADERS });
  };
  return { answer, refuse: (_error, body, format) => answer(body, format) };
}

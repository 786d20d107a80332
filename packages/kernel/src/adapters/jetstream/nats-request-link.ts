/** Requests over core NATS, behind a guard: nothing foreign may throw into the client. */
import type { BodyFormat, ErrorBody, HeaderSource, Logger } from '@llmos/base';
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
  RequestKind,
  RequestKinds,
  RequestLink,
  RequestOutcome,
  RequestReading,
  ServedRequests,
} from '../../ports/request-link';
import type { RequestCodec, RequestMessage } from './request-codec';
import { REQUEST_CODECS, encodeOutcome, ownerOf } from './request-codec';

const PROTOBUF_HEADERS = newHeaders();
PROTOBUF_HEADERS.set(HEADERS.contentType, PROTOBUF_CONTENT_TYPE);

export class NatsRequestLink implements RequestLink {
  private readonly replies: ReplyWriter;

  constructor(
    private readonly options: {
      readonly connection: NatsConnection;
      readonly log: Logger;
      readonly counters: KernelCounters;
    },
  ) {
    this.replies = new ReplyWriter(options.connection);
  }

  maxAnswerBytes(): number {
    const { info } = this.options.connection;
    return info?.max_payload ?? EDGE_LIMITS.pageBytes;
  }

  serve<Kind extends RequestKind>(
    kind: Kind,
    handle: (request: ForeignRequest<RequestKinds[Kind]>) => void,
  ): ServedRequests {
    const { connection, log } = this.options;
    const codec = REQUEST_CODECS[kind];
    const subscription = connection.subscribe(codec.pattern, {
      ...(codec.queue === undefined ? {} : { queue: codec.queue }),
      callback: (error, msg) => {
        if (error !== null) return log.warn('request-subscription-failed', { error });
        try {
          const request = this.receive(msg, codec);
          if (request !== undefined) handle(request);
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

  /** Undefined where nobody is to be answered who must be. */
  private receive<Asked>(msg: Msg, codec: RequestCodec<Asked>): NatsRequest<Asked> | undefined {
    const reply = msg.reply === '' ? undefined : msg.reply;
    const canAnswer = isAnswerable(reply);
    if (!canAnswer && codec.isAnswerOptional !== true) {
      this.options.counters.add('requests_unanswerable');
      return undefined;
    }
    const fault = checkHeaderSize(msg);
    const message = fault === undefined ? new UnreadMessage(msg) : withoutContents(msg, fault);
    return new NatsRequest(message, codec, this.replies, canAnswer ? reply : undefined);
  }
}

/**
 * Made of each message, also of those of a flood, which are only told to come later: its parts are
 * made where they are read.
 */
class NatsRequest<Asked> implements ForeignRequest<Asked> {
  private answers: NatsAnswering | undefined;

  constructor(
    private readonly message: RequestMessage,
    private readonly codec: RequestCodec<Asked>,
    private readonly replies: ReplyWriter,
    /** Undefined: it can't be answered. */
    private readonly reply: string | undefined,
  ) {}

  get label(): string {
    return labelOf(this.message.subject);
  }

  get owner(): string {
    return ownerOf(this.message.subject);
  }

  get bytes(): number {
    return this.message.bytes;
  }

  read(): RequestReading<Asked> {
    const { fault } = this.message;
    if (fault !== undefined) return { kind: 'invalid', error: fault, format: 'json' };
    return this.codec.read(this.message);
  }

  answer(outcome: RequestOutcome): void {
    this.answering().answer(outcome);
  }

  answering(): NatsAnswering {
    return (this.answers ??= new NatsAnswering(this.message.subject, this.replies, this.reply));
  }

  own(): ForeignRequest<Asked> {
    const { subject, bytes, header, body, fault } = this.message;
    const message = { subject, bytes, header, body, ...(fault === undefined ? {} : { fault }) };
    const own = new NatsRequest(message, this.codec, this.replies, this.reply);
    own.answers = this.answering();
    return own;
  }
}

/** The parts of a message of the client, which is a part of a read of up to 64 KiB. */
class UnreadMessage implements RequestMessage {
  private headers: HeaderReading | undefined;
  private ownBody: Uint8Array | undefined;

  constructor(private readonly msg: Msg) {}

  get subject(): string {
    return this.msg.subject;
  }

  get body(): Uint8Array {
    return (this.ownBody ??= ownBytes(this.msg.data));
  }

  get bytes(): number {
    return bytesOf(this.msg);
  }

  get header(): HeaderSource {
    return (this.headers ??= readHeaders(() => this.msg.headers)).get;
  }
}

const NOTHING = new Uint8Array(0);

/** Neither headers nor body are looked at. */
function withoutContents(msg: Msg, fault: ErrorBody): RequestMessage {
  const bytes = bytesOf(msg);
  return { subject: msg.subject, bytes, header: () => undefined, body: NOTHING, fault };
}

function bytesOf(msg: Msg): number {
  return messageBytesOf(msg) ?? msg.data.length;
}

function labelOf(subject: string): string {
  return subject.slice(0, 256);
}

/** Apart from the message: who waits for an answer holds this for long. */
class NatsAnswering implements Answering {
  constructor(
    private readonly subject: string,
    private readonly replies: ReplyWriter,
    /** Undefined once it is answered, or where it can't be. */
    private reply: string | undefined,
  ) {}

  get label(): string {
    return labelOf(this.subject);
  }

  answer(outcome: RequestOutcome): void {
    const { reply } = this;
    if (reply === undefined) return;
    this.reply = undefined;
    this.replies.write(reply, outcome);
  }
}

class ReplyWriter {
  private readonly shared = new WeakMap<RequestOutcome, Uint8Array>();

  constructor(private readonly connection: NatsConnection) {}

  write(reply: string, outcome: RequestOutcome): void {
    const { connection } = this;
    if (connection.isClosed()) return;
    const { body, format } = this.encode(outcome);
    const tooLarge = checkAnswerSize(body.length, connection);
    if (tooLarge !== undefined) connection.publish(reply, encodeJson(failure(tooLarge)));
    else if (format === 'json') connection.publish(reply, body);
    else connection.publish(reply, body, { headers: PROTOBUF_HEADERS });
  }

  private encode(outcome: RequestOutcome): { body: Uint8Array; format: BodyFormat } {
    if (outcome.kind !== 'refused' || outcome.isShared !== true) return encodeOutcome(outcome);
    const { format } = outcome;
    const known = this.shared.get(outcome);
    if (known !== undefined) return { body: known, format };
    const { body } = encodeOutcome(outcome);
    this.shared.set(outcome, body);
    return { body, format };
  }
}

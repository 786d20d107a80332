/**
 * The message link on a NATS connection.
 *
 * Requests share one inbox subscription of our own: unlike the client's, a request ends at once
 * when its signal aborts, when the connection was lost and is back, or when the server refuses
 * its subject. Sole owner of the connection.
 */
import type { OnSkipped } from '@llmos/base';
import { settlesWithin } from '@llmos/base';
import type { HeaderReading, Msg, MsgHdrs, NatsConnection, RequestEnd } from '@llmos/wire';
import {
  RequestTable,
  headersOf,
  readHeaders,
  createInbox,
  followLink,
  headers as natsHeaders,
  maxPayloadBytesOf,
} from '@llmos/wire';
import { SDK_LIMITS } from '../../limits';
import { onAbort } from '../system/abort-listener';
import type {
  IncomingMessage,
  MessageHeaders,
  MessageLink,
  OutgoingMessage,
  RequestOutcome,
  RequestWait,
} from '../../ports/message-link';

const UNREADABLE = 'its headers can’t be read';

/** @param of.inboxPrefix of reply subjects; default `_INBOX`. */
export function createNatsMessageLink(
  connection: NatsConnection,
  of: { readonly inboxPrefix?: string | undefined; readonly onSkipped: OnSkipped },
): MessageLink {
  return new NatsMessageLink(connection, createInbox(of.inboxPrefix), of.onSkipped);
}

class NatsMessageLink implements MessageLink {
  private readonly table: RequestTable<Msg>;
  private readonly reconnectCallbacks = new Set<() => void>();
  private readonly closing = new AbortController();
  private drained: Promise<void> | undefined;

  readonly closed = this.closing.signal;

  constructor(
    private readonly connection: NatsConnection,
    inbox: string,
    private readonly onSkipped: OnSkipped,
  ) {
    this.table = new RequestTable({
      inbox,
      subscribe: (subject, options) => connection.subscribe(subject, options),
      // Whether a kernel had them is not known: they run out, as any without an answer.
      whenInboxDenied: 'wait',
    });
    followLink(connection, {
      onReconnected: () => this.onReconnected(),
      onDenied: (subject, operation) => {
        if (operation === 'publish') this.table.deny(subject);
      },
      onFailed: (error) => this.noteFailed(error),
    });
    void connection.closed().then(() => this.endRequests());
  }

  maxPayloadBytes(): number {
    return maxPayloadBytesOf(this.connection);
  }

  publish(message: OutgoingMessage): void {
    try {
      this.send(message);
    } catch {
      // Dropped, as whatever goes out of a closed link.
    }
  }

  subscribe(
    subject: string,
    deliver: (message: IncomingMessage) => void,
    onDenied?: () => void,
  ): () => void {
    if (this.closed.aborted) return () => undefined;
    const subscription = this.connection.subscribe(subject, {
      callback: (error, msg) => {
        if (error !== null) return onDenied?.();
        const headers = readHeaders(() => headersOf(msg));
        if (headers.isReadable) deliver(readMessage(msg, headers));
        else this.skip(msg);
      },
    });
    return () => {
      if (!subscription.isClosed()) subscription.unsubscribe();
    };
  }

  async settle(waitMs: number): Promise<void> {
    const flushed = this.connection.flush().catch(() => undefined);
    await settlesWithin(flushed, waitMs);
  }

  onReconnect(callback: () => void): () => void {
    this.reconnectCallbacks.add(callback);
    return () => this.reconnectCallbacks.delete(callback);
  }

  request(message: OutgoingMessage, wait: RequestWait): Promise<RequestOutcome> {
    if (wait.signal?.aborted === true) return Promise.resolve({ kind: 'aborted' });
    if (this.closed.aborted) return Promise.resolve({ kind: 'closed' });
    if (this.table.size >= SDK_LIMITS.maxPendingRequests) {
      return Promise.resolve({ kind: 'full' });
    }
    return new Promise((resolve) => {
      let token = '';
      const stopListening = onAbort(wait.signal, () => this.table.abort(token));
      const { subject } = message;
      const send = (reply: string): void => this.send(message, reply);
      token = this.table.request({ subject, waitMs: Math.max(1, wait.waitMs), send }, (end) => {
        stopListening();
        resolve(this.outcomeOf(end));
      });
    });
  }

  close(): Promise<void> {
    this.drained ??= this.drain();
    return this.drained;
  }

  /** Throws where the connection is closed, or does not take it. */
  private send({ subject, body, headers }: OutgoingMessage, reply?: string): void {
    this.connection.publish(subject, body, {
      ...(headers === undefined ? {} : { headers: writeHeaders(headers) }),
      ...(reply === undefined ? {} : { reply }),
    });
  }

  private outcomeOf(end: RequestEnd<Msg>): RequestOutcome {
    switch (end.kind) {
      case 'answered':
        return this.answerOf(end.message);
      case 'timed-out':
      case 'inbox-denied':
        return { kind: 'silent' };
      case 'denied':
        return { kind: 'denied', reason: `the server refuses to publish to ${end.subject}` };
      case 'unsent':
        return this.unsentOutcome(end.error);
      default:
        return end;
    }
  }

  private answerOf(msg: Msg): RequestOutcome {
    const headers = readHeaders(() => headersOf(msg));
    if (headers.isReadable) return { kind: 'answered', message: readMessage(msg, headers) };
    this.skip(msg);
    return { kind: 'unreadable', reason: UNREADABLE };
  }

  private unsentOutcome(error: unknown): RequestOutcome {
    // Closed in this very moment, or a body above max_payload, which callers check before.
    if (this.connection.isClosed()) return { kind: 'closed' };
    return { kind: 'denied', reason: error instanceof Error ? error.message : String(error) };
  }

  private skip({ subject }: Msg): void {
    this.onSkipped({ subject, reason: UNREADABLE });
  }

  private onReconnected(): void {
    this.table.endAll({ kind: 'interrupted' });
    for (const callback of [...this.reconnectCallbacks]) {
      try {
        callback();
      } catch (error) {
        this.noteFailed(error);
      }
    }
  }

  /** What was to follow from news of the connection. */
  private noteFailed(error: unknown): void {
    this.onSkipped({ subject: '', reason: error instanceof Error ? error.message : String(error) });
  }

  private endRequests(): void {
    this.closing.abort();
    this.table.endAll({ kind: 'closed' });
  }

  private async drain(): Promise<void> {
    this.endRequests();
    if (this.connection.isClosed()) return;
    // A drain waits for the server, which may be away; then closing loses nothing more.
    const drained = this.connection.drain().catch(() => undefined);
    await settlesWithin(drained, SDK_LIMITS.closeTimeoutMs);
    if (!this.connection.isClosed()) await this.connection.close();
  }
}

function writeHeaders(headers: MessageHeaders): MsgHdrs {
  const written = natsHeaders();
  for (const [name, value] of Object.entries(headers)) written.set(name, value);
  return written;
}

function readMessage(msg: Msg, headers: HeaderReading): IncomingMessage {
  // Decoded already where there are any.
  const code = msg.headers?.code ?? 0;
  return {
    subject: msg.subject,
    body: msg.data,
    header: (name) => headers.get(name) || undefined,
    status: code === 0 ? undefined : code,
  };
}

/**
 * The message link on a NATS connection.
 *
 * Requests share one inbox subscription of our own: unlike the client's, a request ends at once
 * when its signal aborts, when the connection was lost and is back, or when the server refuses
 * its subject. Sole owner of the connection and of the table of pending requests.
 */
import type { OnSkipped } from '@llmos/base';
import { settlesWithin } from '@llmos/base';
import type { HeaderReading, Msg, MsgHdrs, NatsConnection } from '@llmos/wire';
import {
  STATUSES,
  headersOf,
  readHeaders,
  createInbox,
  followLink,
  headers as natsHeaders,
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

interface PendingRequest {
  readonly subject: string;
  settle(outcome: RequestOutcome): void;
}

const UNREADABLE = 'its headers can’t be read';
/** Where the server's INFO names no limit. */
const DEFAULT_MAX_PAYLOAD_BYTES = 1024 * 1024;

/** @param of.inboxPrefix of reply subjects; default `_INBOX`. */
export function createNatsMessageLink(
  connection: NatsConnection,
  of: { readonly inboxPrefix?: string | undefined; readonly onSkipped: OnSkipped },
): MessageLink {
  return new NatsMessageLink(connection, createInbox(of.inboxPrefix), of.onSkipped);
}

class NatsMessageLink implements MessageLink {
  private readonly pending = new Map<string, PendingRequest>();
  private readonly reconnectCallbacks = new Set<() => void>();
  private readonly closing = new AbortController();
  private drained: Promise<void> | undefined;
  private nextRequest = 0;

  readonly closed = this.closing.signal;

  constructor(
    private readonly connection: NatsConnection,
    /** Answers come to a subject below it. */
    private readonly inbox: string,
    private readonly onSkipped: OnSkipped,
  ) {
    connection.subscribe(`${this.inbox}.*`, {
      callback: (error, msg) => this.onAnswer(error, msg),
    });
    followLink(connection, {
      onReconnected: () => this.onReconnected(),
      onDenied: (subject, operation) => {
        if (operation === 'publish') this.onDenied(subject);
      },
    });
    void connection.closed().then(() => this.endRequests());
  }

  maxPayloadBytes(): number {
    return this.connection.info?.max_payload ?? DEFAULT_MAX_PAYLOAD_BYTES;
  }

  publish(message: OutgoingMessage): void {
    this.tryPublish(message);
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
    if (this.pending.size >= SDK_LIMITS.maxPendingRequests) {
      return Promise.resolve({ kind: 'full' });
    }
    return new Promise((resolve) => {
      const token = (this.nextRequest += 1).toString(36);
      const timer = setTimeout(() => pending.settle({ kind: 'silent' }), Math.max(1, wait.waitMs));
      const pending: PendingRequest = {
        subject: message.subject,
        settle: (outcome) => {
          this.pending.delete(token);
          clearTimeout(timer);
          stopListening();
          resolve(outcome);
        },
      };
      const stopListening = onAbort(wait.signal, () => pending.settle({ kind: 'aborted' }));
      this.pending.set(token, pending);
      const failure = this.tryPublish(message, `${this.inbox}.${token}`);
      if (failure !== undefined) pending.settle(failure);
    });
  }

  close(): Promise<void> {
    this.drained ??= this.drain();
    return this.drained;
  }

  /** @returns why it could not be written. */
  private tryPublish(message: OutgoingMessage, reply?: string): RequestOutcome | undefined {
    if (this.connection.isClosed()) return { kind: 'closed' };
    try {
      this.connection.publish(message.subject, message.body, {
        ...(message.headers === undefined ? {} : { headers: writeHeaders(message.headers) }),
        ...(reply === undefined ? {} : { reply }),
      });
      return undefined;
    } catch (error) {
      // Closed in this very moment, or a body above max_payload, which callers check before.
      if (this.connection.isClosed()) return { kind: 'closed' };
      return { kind: 'denied', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  private onAnswer(error: Error | null, msg: Msg): void {
    // Denied inbox: requests end by their own limit.
    if (error !== null) return;
    const pending = this.pending.get(msg.subject.slice(this.inbox.length + 1));
    if (pending === undefined) return;
    const headers = readHeaders(() => headersOf(msg));
    if (!headers.isReadable) {
      this.skip(msg);
      return pending.settle({ kind: 'unreadable', reason: UNREADABLE });
    }
    const message = readMessage(msg, headers);
    const isUnheard = message.status === STATUSES.noResponders && message.body.byteLength === 0;
    pending.settle(isUnheard ? { kind: 'no-responders' } : { kind: 'answered', message });
  }

  private skip({ subject }: Msg): void {
    this.onSkipped({ subject, reason: UNREADABLE });
  }

  private onReconnected(): void {
    for (const request of [...this.pending.values()]) request.settle({ kind: 'interrupted' });
    for (const callback of [...this.reconnectCallbacks]) callback();
  }

  private onDenied(subject: string): void {
    const reason = `the server refuses to publish to ${subject}`;
    for (const request of [...this.pending.values()]) {
      if (request.subject === subject) request.settle({ kind: 'denied', reason });
    }
  }

  private endRequests(): void {
    this.closing.abort();
    for (const request of [...this.pending.values()]) request.settle({ kind: 'closed' });
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

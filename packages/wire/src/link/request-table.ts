/**
 * The pending requests of a NATS connection: a map entry and a timer each, and one inbox.
 *
 * How a request ended is told by kind, and whoever asks makes an error or an outcome of it. A
 * request ends once: what comes later for it is nobody's.
 * Sole owner of the inbox subscription, of tokens and of timers. What the connection says of itself
 * (a refused subject, a reconnect, its end) its owner hands on.
 */
import { STATUSES, statusOf } from './message-headers';

/** What is read of the client's messages. */
export interface AnswerMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Throws where foreign headers can't be read. */
  readonly headers?: { readonly code: number };
}

export type RequestEnd<Message> =
  | { readonly kind: 'answered'; readonly message: Message }
  /** Nobody listens on the subject: the request was not received. */
  | { readonly kind: 'no-responders' }
  /** Nothing came in time; the request may have been received. */
  | { readonly kind: 'timed-out' }
  /** The server refuses to publish to its subject. */
  | { readonly kind: 'denied'; readonly subject: string }
  /** The server refuses the inbox: the request may have been received, and no answer comes. */
  | { readonly kind: 'inbox-denied'; readonly error: Error }
  /** The connection was lost and is back; request or answer may be lost. */
  | { readonly kind: 'interrupted' }
  /** Its caller waits no longer. */
  | { readonly kind: 'aborted' }
  | { readonly kind: 'closed' }
  /** It could not be written. */
  | { readonly kind: 'unsent'; readonly error: unknown };

export interface TableOptions<Message extends AnswerMessage> {
  /** A subject that nobody else has; answers come to subjects below it. */
  readonly inbox: string;
  /** May throw, and then the request that needs it ends as unsent. */
  readonly subscribe: (
    subject: string,
    options: { callback: (error: Error | null, message: Message) => void },
  ) => unknown;
  /** What is pending when the server refuses the inbox ends at once, or by its own limit. */
  readonly whenInboxDenied: 'end' | 'wait';
}

export interface TableRequest {
  readonly subject: string;
  readonly waitMs: number;
  /** Publishes it, at once, with this reply subject. May throw. */
  readonly send: (reply: string) => void;
}

type Settle<Message> = (end: RequestEnd<Message>) => void;

interface Pending<Message> {
  readonly subject: string;
  timer: NodeJS.Timeout | undefined;
  settle: Settle<Message>;
}

const TIMED_OUT = { kind: 'timed-out' } as const;
const NO_RESPONDERS = { kind: 'no-responders' } as const;
const ABORTED = { kind: 'aborted' } as const;

export class RequestTable<Message extends AnswerMessage> {
  private readonly pending = new Map<string, Pending<Message>>();
  private isSubscribed = false;
  private nextRequest = 0;

  constructor(private readonly options: TableOptions<Message>) {}

  /** Of requests that have not ended. */
  get size(): number {
    return this.pending.size;
  }

  /**
   * Listens for answers first, where it does not yet.
   *
   * @param settle is called once, in this call already where the request could not be written.
   * @returns its token, by which it can be aborted.
   */
  request({ subject, waitMs, send }: TableRequest, settle: Settle<Message>): string {
    const token = (this.nextRequest += 1).toString(36);
    const timer = setTimeout(() => this.end(token, TIMED_OUT), waitMs);
    this.pending.set(token, { subject, timer, settle });
    try {
      this.subscribe();
      send(`${this.options.inbox}.${token}`);
    } catch (error) {
      this.end(token, { kind: 'unsent', error });
    }
    return token;
  }

  /** Nothing, where it has ended. */
  abort(token: string): void {
    this.end(token, ABORTED);
  }

  /** The server says which subject it refuses, not which request: it refuses all on it. */
  deny(subject: string): void {
    for (const [token, pending] of [...this.pending]) {
      if (pending.subject === subject) this.end(token, { kind: 'denied', subject });
    }
  }

  /** Of all that are pending now. */
  endAll(end: RequestEnd<Message>): void {
    for (const token of [...this.pending.keys()]) this.end(token, end);
  }

  private end(token: string, end: RequestEnd<Message>): void {
    const pending = this.pending.get(token);
    if (pending === undefined) return;
    this.pending.delete(token);
    const { settle, timer } = pending;
    // A map that grows holds its former tables for as long as an old one is not collected,
    // and through this everything that waited for the answer.
    pending.settle = ignore;
    pending.timer = undefined;
    clearTimeout(timer);
    settle(end);
  }

  private subscribe(): void {
    if (this.isSubscribed) return;
    this.options.subscribe(`${this.options.inbox}.*`, {
      callback: (error, message) => this.take(error, message),
    });
    this.isSubscribed = true;
  }

  private take(error: Error | null, message: Message): void {
    if (error !== null) {
      // The server refuses the inbox: the next request asks for it again.
      this.isSubscribed = false;
      if (this.options.whenInboxDenied === 'end') this.endAll({ kind: 'inbox-denied', error });
      return;
    }
    const token = message.subject.slice(this.options.inbox.length + 1);
    if (!this.pending.has(token)) return;
    const isUnheard = statusOf(message) === STATUSES.noResponders;
    this.end(token, isUnheard ? NO_RESPONDERS : { kind: 'answered', message });
  }
}

function ignore(): void {
  // It is settled.
}

/**
 * Requests of a NATS connection at the cost of a map entry, a timer and a promise.
 *
 * The nats client rejects a promise of every request that was answered, with an error whose stack
 * it records first: six per cent of a busy kernel's time. Here an error is made where one is told.
 * What callers see is the client's own: the same messages, and the same errors by code.
 * Sole owner of the inbox and of the table of pending requests.
 */

import type { DeniedOperation, StatusConnection } from './link-status';
import { followLink } from './link-status';
import { STATUSES } from './message-headers';

/** What is read of the client's messages. */
export interface AnswerMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Throws where foreign headers can't be read. */
  readonly headers?: { readonly code: number };
}

export interface LeanRequestOptions<Headers> {
  timeout: number;
  headers?: Headers;
  noMux?: boolean;
  reply?: string;
}

/** What is used of the client's connection; `request` is replaced. */
export interface RequestConnection<
  Message extends AnswerMessage,
  Body,
  Headers,
> extends StatusConnection {
  request(subject: string, body?: Body, options?: LeanRequestOptions<Headers>): Promise<Message>;
  publish(subject: string, body?: Body, options?: { reply?: string; headers?: Headers }): void;
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: Message) => void },
  ): unknown;
  isClosed(): boolean;
  isDraining(): boolean;
  closed(): Promise<unknown>;
}

/** The client's class of errors. */
export interface RequestErrors {
  new (message: string, code: string): Error;
  errorForCode(code: string): Error;
}

interface Pending<Message> {
  readonly subject: string;
  settle: (failure: Error | undefined, message?: Message) => void;
}

/** The client's codes. */
const TIMEOUT = 'TIMEOUT';
const NO_RESPONDERS = '503';
const CLOSED = 'CONNECTION_CLOSED';
const DRAINING = 'CONNECTION_DRAINING';
const DENIED = 'PERMISSIONS_VIOLATION';

/** The client's own, where a request names no limit. */
const DEFAULT_TIMEOUT_MS = 1000;

/**
 * Replaces `connection.request`, and with it the requests of the JetStream clients made from it.
 *
 * @param of.inbox a subject that nobody else has.
 */
export function useLeanRequests<Message extends AnswerMessage, Body, Headers>(
  connection: RequestConnection<Message, Body, Headers>,
  of: { readonly inbox: string; readonly errors: RequestErrors },
): void {
  const askClient = connection.request.bind(connection);
  const requests = new LeanRequests(connection, of.inbox, of.errors);
  connection.request = (subject, body, options) => {
    const isOwnInbox = options?.noMux === true || options?.reply !== undefined;
    const isOdd = subject === '' || (options !== undefined && options.timeout < 1);
    return isOwnInbox || isOdd
      ? askClient(subject, body, options)
      : requests.request(subject, body, options);
  };
}

class LeanRequests<Message extends AnswerMessage, Body, Headers> {
  private readonly pending = new Map<string, Pending<Message>>();
  private isSubscribed = false;
  private nextRequest = 0;
  /** That which throws: a request whose message can't be sent fails at once. */
  private readonly publish: RequestConnection<Message, Body, Headers>['publish'];

  constructor(
    private readonly connection: RequestConnection<Message, Body, Headers>,
    private readonly inbox: string,
    private readonly errors: RequestErrors,
  ) {
    this.publish = connection.publish.bind(connection);
    followLink(connection, { onDenied: (subject, operation) => this.refuse(subject, operation) });
    // As the client has it: a request that a close interrupts ran out of time.
    void connection.closed().then(() => this.failAll(() => errors.errorForCode(TIMEOUT)));
  }

  request(subject: string, body?: Body, options?: LeanRequestOptions<Headers>): Promise<Message> {
    if (this.connection.isClosed()) return Promise.reject(this.errors.errorForCode(CLOSED));
    if (this.connection.isDraining()) return Promise.reject(this.errors.errorForCode(DRAINING));
    const answer = new Promise<Message>((resolve, reject) => {
      const token = (this.nextRequest += 1).toString(36);
      const timer = setTimeout(() => {
        pending.settle(this.errors.errorForCode(TIMEOUT));
      }, options?.timeout ?? DEFAULT_TIMEOUT_MS);
      const pending: Pending<Message> = {
        subject,
        settle: (failure, message) => {
          this.pending.delete(token);
          // A map that grows holds its former tables for as long as an old one is not collected,
          // and through this everything that waited for the answer.
          pending.settle = ignore;
          clearTimeout(timer);
          if (message === undefined) reject(failure ?? this.errors.errorForCode(TIMEOUT));
          else resolve(message);
        },
      };
      this.pending.set(token, pending);
      try {
        this.subscribe();
        this.publish(subject, body, {
          reply: `${this.inbox}.${token}`,
          ...(options?.headers === undefined ? {} : { headers: options.headers }),
        });
      } catch (error) {
        pending.settle(error instanceof Error ? error : new Error(String(error)));
      }
    });
    // A failed request that nobody waits for any more is no unhandled rejection, as in the client.
    answer.catch(() => undefined);
    return answer;
  }

  private subscribe(): void {
    if (this.isSubscribed) return;
    this.connection.subscribe(`${this.inbox}.*`, {
      callback: (error, message) => this.take(error, message),
    });
    this.isSubscribed = true;
  }

  private take(error: Error | null, message: Message): void {
    if (error !== null) {
      // The server refuses the inbox: the next request asks for it again.
      this.isSubscribed = false;
      return this.failAll(() => error);
    }
    const pending = this.pending.get(message.subject.slice(this.inbox.length + 1));
    if (pending === undefined) return;
    if (isUnheard(message)) pending.settle(this.errors.errorForCode(NO_RESPONDERS));
    else pending.settle(undefined, message);
  }

  /** The server says which subject it refuses, not which request: the oldest on it is the one. */
  private refuse(denied: string, operation: DeniedOperation): void {
    if (operation !== 'publish') return;
    const text = `Permissions Violation for Publish to "${denied}"`;
    const first = [...this.pending.values()].find(({ subject }) => subject === denied);
    first?.settle(new this.errors(text, DENIED));
  }

  private failAll(failure: () => Error): void {
    for (const pending of [...this.pending.values()]) pending.settle(failure());
  }
}

function ignore(): void {
  // It is settled.
}

/** Headers are decoded only where the body is empty, as the server's own answer has it. */
function isUnheard(message: AnswerMessage): boolean {
  if (message.data.length > 0) return false;
  try {
    return message.headers?.code === STATUSES.noResponders;
  } catch {
    return false;
  }
}

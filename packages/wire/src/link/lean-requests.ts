/**
 * Requests of a NATS connection at the cost of a map entry, a timer and a promise.
 *
 * The nats client rejects a promise of every request that was answered, with an error whose stack
 * it records first: six per cent of a busy kernel's time. Here an error is made where one is told.
 * What callers see is the client's own: the same messages, and the same errors by code.
 */

import type { StatusConnection } from './link-status';
import { followLink } from './link-status';
import type { AnswerMessage, RequestEnd } from './request-table';
import { RequestTable } from './request-table';

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
  private readonly table: RequestTable<Message>;
  /** That which throws: a request whose message can't be sent fails at once. */
  private readonly publish: RequestConnection<Message, Body, Headers>['publish'];

  constructor(
    private readonly connection: RequestConnection<Message, Body, Headers>,
    inbox: string,
    private readonly errors: RequestErrors,
  ) {
    this.publish = connection.publish.bind(connection);
    this.table = new RequestTable({
      inbox,
      subscribe: (subject, options) => connection.subscribe(subject, options),
      whenInboxDenied: 'end',
    });
    followLink(connection, {
      onDenied: (subject, operation) => {
        if (operation === 'publish') this.table.deny(subject);
      },
    });
    void connection.closed().then(() => this.table.endAll({ kind: 'closed' }));
  }

  request(subject: string, body?: Body, options?: LeanRequestOptions<Headers>): Promise<Message> {
    if (this.connection.isClosed()) return Promise.reject(this.errors.errorForCode(CLOSED));
    if (this.connection.isDraining()) return Promise.reject(this.errors.errorForCode(DRAINING));
    const answer = new Promise<Message>((resolve, reject) => {
      const send = (reply: string): void => {
        const { headers } = options ?? {};
        this.publish(subject, body, { reply, ...(headers === undefined ? {} : { headers }) });
      };
      const waitMs = options?.timeout ?? DEFAULT_TIMEOUT_MS;
      this.table.request({ subject, waitMs, send }, (end) => {
        if (end.kind === 'answered') resolve(end.message);
        else reject(this.errorOf(end));
      });
    });
    // A failed request that nobody waits for any more is no unhandled rejection, as in the client.
    answer.catch(() => undefined);
    return answer;
  }

  private errorOf(end: Exclude<RequestEnd<Message>, { kind: 'answered' }>): Error {
    switch (end.kind) {
      case 'no-responders':
        return this.errors.errorForCode(NO_RESPONDERS);
      case 'denied': {
        const text = `Permissions Violation for Publish to "${end.subject}"`;
        return new this.errors(text, DENIED);
      }
      case 'inbox-denied':
        return end.error;
      case 'unsent':
        return end.error instanceof Error ? end.error : new Error(String(end.error));
      // As the client has it: a request that a close interrupts ran out of time.
      default:
        return this.errors.errorForCode(TIMEOUT);
    }
  }
}

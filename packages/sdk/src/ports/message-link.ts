/**
 * A connection to the message system, as the client needs it. It reconnects by itself.
 *
 * Delivery is at most once: any message, request or answer may be lost, and callers repeat what
 * must arrive. Nothing here throws for reasons that the network causes; outcomes name them.
 */
export type MessageHeaders = Readonly<Record<string, string>>;

export interface OutgoingMessage {
  readonly subject: string;
  readonly headers?: MessageHeaders;
  readonly body: Uint8Array;
}

export interface IncomingMessage {
  readonly subject: string;
  readonly body: Uint8Array;
  /** Undefined where absent or empty. */
  header(name: string): string | undefined;
  /** Status code of the message's header line, such as 404. */
  readonly status: number | undefined;
}

export type RequestOutcome =
  | { readonly kind: 'answered'; readonly message: IncomingMessage }
  /** Nobody listens on the subject: the request was not received. */
  | { readonly kind: 'no-responders' }
  /** Nothing came in time; the request may have been received. */
  | { readonly kind: 'silent' }
  /** The connection was lost and is back; request or answer may be lost. */
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'denied'; readonly reason: string }
  /** An answer came whose headers can't be read. */
  | { readonly kind: 'unreadable'; readonly reason: string }
  /** More requests are pending than the client holds. */
  | { readonly kind: 'full' }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'closed' };

export interface RequestWait {
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

export type Unsubscribe = () => void;

export interface MessageLink {
  request(message: OutgoingMessage, wait: RequestWait): Promise<RequestOutcome>;
  /** Fire and forget. Dropped where the link is closed. */
  publish(message: OutgoingMessage): void;
  /**
   * Requests and messages that follow on this link are received after the subscription.
   * Messages that can't be read are left out.
   * @param deliver must not throw.
   * @param onDenied the server does not allow it; nothing is delivered.
   */
  subscribe(
    subject: string,
    deliver: (message: IncomingMessage) => void,
    onDenied?: () => void,
  ): Unsubscribe;
  /** Resolves once the server has heard of everything so far, or after this time. Never rejects. */
  settle(waitMs: number): Promise<void>;
  /** Calls back each time a lost connection is back; messages in between are lost. */
  onReconnect(callback: () => void): Unsubscribe;
  /** Of the server, now. */
  maxPayloadBytes(): number;
  /** Aborts when the link is closed, by `close()` or for good by the server. */
  readonly closed: AbortSignal;
  /** Sends what was written, within a bound. May be called twice. */
  close(): Promise<void>;
}

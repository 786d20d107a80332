/**
 * What is published never throws into a timer, a callback or a loop that nobody watches.
 *
 * The client throws at once where a message is larger than the server takes, or the connection
 * was closed. Behind the guard such a message is told of, and is lost as any message may be.
 * Whoever can say something better instead asks first whether it fits: a too large answer becomes
 * an error that names both sizes.
 */
import type { ErrorBody, OnUnsent } from '@llmos/base';
import { errorBody } from '@llmos/base';

/** What is used of the client's connection; `publish` is replaced. */
export interface PublishingConnection<Body, Options> {
  publish(subject: string, body?: Body, options?: Options): void;
  isClosed(): boolean;
}

/**
 * Call it after what must hear of a failed publish by itself, as requests do, has taken the
 * connection's own.
 */
export function guardPublishes<Body, Options>(
  connection: PublishingConnection<Body, Options>,
  onUnsent: OnUnsent,
): void {
  const publish = connection.publish.bind(connection);
  connection.publish = (subject, body, options) => {
    // Nothing more goes out of a program that has closed its connection.
    if (connection.isClosed()) return;
    try {
      publish(subject, body, options);
    } catch (thrown) {
      onUnsent({ subject, reason: thrown instanceof Error ? thrown.message : String(thrown) });
    }
  };
}

/** Headers that a program adds to a message of its own: a task's id, a content type, an end. */
const OWN_HEADERS_BYTES = 512;

/** Where a server says nothing of its limit. */
const DEFAULT_MAX_PAYLOAD_BYTES = 1024 * 1024;

export interface PayloadLimit {
  readonly info?: { readonly max_payload: number };
}

/** The largest message that the server takes now: body and headers. */
export function maxPayloadBytesOf({ info }: PayloadLimit): number {
  return info?.max_payload ?? DEFAULT_MAX_PAYLOAD_BYTES;
}

/** The largest body that the server takes now, beside headers of our own. */
export function maxBodyBytesOf(connection: PayloadLimit): number {
  return maxPayloadBytesOf(connection) - OWN_HEADERS_BYTES;
}

/** The error that stands for an answer which is larger than the server takes. */
export function checkAnswerSize(bytes: number, connection: PayloadLimit): ErrorBody | undefined {
  const limitBytes = maxBodyBytesOf(connection);
  if (bytes <= limitBytes) return undefined;
  const message =
    `the answer has ${bytes} bytes, and the NATS server takes ${limitBytes} ` +
    'beside headers (max_payload)';
  const details = { bytes, limitBytes };
  return errorBody('RESOURCE_EXHAUSTED', message, { retryable: false, details });
}

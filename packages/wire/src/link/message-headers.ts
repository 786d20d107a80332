/**
 * Reads headers of foreign messages. The client's own decoder throws on a name or a value that is
 * not allowed, inside whatever touches it; here that becomes an answer.
 */
import type { ErrorBody, HeaderSource } from '@llmos/base';
import { errorBody, GUARD_LIMITS, WIRE_LIMITS, ownText } from '@llmos/base';
import { assertHeaderSize } from './lean-headers';

export interface HeaderReading {
  /** Names in any case. What is read holds nothing of the other headers. */
  readonly get: HeaderSource;
  readonly isReadable: boolean;
}

/** The client's headers, decoded. */
export type DecodedHeaders = Iterable<readonly [string, readonly string[]]>;

const NONE: HeaderReading = { get: () => undefined, isReadable: true };
const UNREADABLE: HeaderReading = { get: () => undefined, isReadable: false };

/**
 * What the server adds to a stored message that it gives, after the publisher's own headers: of
 * these the last of several counts, in this spelling, for the first may be a publisher's lie.
 */
const ADDED_BY_SERVER: ReadonlySet<string> = new Set([
  ...['Nats-Stream', 'Nats-Subject', 'Nats-Sequence', 'Nats-Time-Stamp'],
  ...['Nats-Num-Pending', 'Nats-Last-Sequence', 'Nats-UpTo-Sequence', 'Nats-Msg-Size'],
]);

/** Of several of one name the first counts. @param source decodes them, and may throw. */
export function readHeaders(source: () => DecodedHeaders | undefined): HeaderReading {
  let found: DecodedHeaders | undefined;
  try {
    found = source();
  } catch {
    return UNREADABLE;
  }
  if (found === undefined) return NONE;
  const values = new Map<string, string>();
  for (const [name, all] of found) {
    const key = name.toLowerCase();
    const isAdded = ADDED_BY_SERVER.has(name);
    const value = isAdded ? all.at(-1) : all[0];
    if (value !== undefined && (isAdded || !values.has(key))) values.set(key, value);
  }
  const get: HeaderSource = (name) => {
    const value = values.get(name.toLowerCase());
    return value === undefined ? undefined : ownText(value);
  };
  return { get, isReadable: true };
}

/**
 * Of a header block as the stream API gives it, in base64: a status line, then `Name: value` lines.
 * The lines that can be read are, whatever stands in the others.
 */
export function readHeaderBlock(base64: string): HeaderReading {
  const lines = Buffer.from(base64, 'base64').toString('utf8').split('\r\n').slice(1);
  return readHeaders(() => lines.flatMap(readLine));
}

function readLine(line: string): readonly [string, readonly string[]][] {
  const colon = line.indexOf(':');
  return colon < 1 ? [] : [[line.slice(0, colon), [line.slice(colon + 1).trim()]]];
}

/** What is used of the client's messages. */
export interface HeadedMessage {
  readonly subject: string;
  readonly reply?: string;
  readonly data: Uint8Array;
}

/** With the headers and both subjects: the client counts them, and does not say so in its types. */
export function messageBytesOf(message: HeadedMessage): number | undefined {
  const { size } = message as { readonly size?: () => number };
  return size?.call(message);
}

export function headerBytesOf(message: HeadedMessage): number {
  const bytes = messageBytesOf(message);
  if (bytes === undefined) return 0;
  const { subject, reply = '', data } = message;
  return bytes - data.length - subject.length - reply.length;
}

/** The headers of a message, decoded; throws where they can't be, or are too large for it. */
export function headersOf<H>(message: HeadedMessage & { readonly headers?: H }): H | undefined {
  assertHeaderSize(headerBytesOf(message), GUARD_LIMITS.maxHeaderBytes);
  return message.headers;
}

/** Why a request is refused before its headers are decoded. */
export function checkHeaderSize(message: HeadedMessage): ErrorBody | undefined {
  const bytes = headerBytesOf(message);
  const { maxHeaderBytes: limitBytes } = WIRE_LIMITS;
  if (bytes <= limitBytes) return undefined;
  const text = `the headers of the request have ${bytes} bytes; at most ${limitBytes} are read`;
  return errorBody('INVALID_ARGUMENT', text, { details: { bytes, limitBytes } });
}

/** Of control messages, as in HTTP. */
export const STATUSES = { noMessage: 404, noResponders: 503 } as const;

/** The status of a control message; 0 for a message that carries something. */
export function statusOf(
  message: HeadedMessage & { readonly headers?: { readonly code: number } },
): number {
  if (message.data.length > 0) return 0;
  try {
    return headersOf(message)?.code ?? 0;
  } catch {
    return 0;
  }
}

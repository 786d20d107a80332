/**
 * Reads headers of foreign messages. The client's own decoder throws on a name or a value that is
 * not allowed, inside whatever touches it; here that becomes an answer. Types are structural, so
 * that `base` loads no client into the actor threads.
 */
import { ownText } from '../../own-text';
import type { HeaderSource } from '../../task-headers';

export interface HeaderReading {
  /** Names in any case. What is read holds nothing of the other headers. */
  readonly get: HeaderSource;
  readonly isReadable: boolean;
}

/** The client's headers, decoded. */
export type DecodedHeaders = Iterable<readonly [string, readonly string[]]>;

const NONE: HeaderReading = { get: () => undefined, isReadable: true };
const UNREADABLE: HeaderReading = { get: () => undefined, isReadable: false };

/** @param source decodes them, and may throw. */
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
    const [first] = all;
    if (first !== undefined && !values.has(key)) values.set(key, first);
  }
  const get: HeaderSource = (name) => {
    const value = values.get(name.toLowerCase());
    return value === undefined ? undefined : ownText(value);
  };
  return { get, isReadable: true };
}

/** The status of a control message; 0 for a message that carries something. */
export function statusOf(message: {
  readonly data: Uint8Array;
  readonly headers?: { readonly code: number };
}): number {
  if (message.data.length > 0) return 0;
  try {
    return message.headers?.code ?? 0;
  } catch {
    return 0;
  }
}

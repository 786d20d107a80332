/**
 * Reads headers of foreign messages. The client's own decoder throws on a name that is not
 * allowed, inside whatever callback touches it; here that becomes an answer.
 */
import type { HeaderSource } from '@llmos/base';
import type { Msg, MsgHdrs } from 'nats';

export interface HeaderReading {
  /** Names in any case. */
  readonly get: HeaderSource;
  readonly isReadable: boolean;
}

const NONE: HeaderReading = { get: () => undefined, isReadable: true };
const UNREADABLE: HeaderReading = { get: () => undefined, isReadable: false };

export function readHeaders(source: () => MsgHdrs | undefined): HeaderReading {
  let found: MsgHdrs | undefined;
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
  return { get: (name) => values.get(name.toLowerCase()), isReadable: true };
}

/** The status of a JetStream control message; 0 for a message that carries something. */
export function statusOf(msg: Msg): number {
  if (msg.data.length > 0) return 0;
  try {
    return msg.headers?.code ?? 0;
  } catch {
    return 0;
  }
}

/** Text that is safe as a header value: no control characters, bounded. */
export function headerText(text: string, maxChars: number): string {
  const clean = text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim();
  return clean.length > maxChars ? `${clean.slice(0, maxChars - 1)}…` : clean;
}

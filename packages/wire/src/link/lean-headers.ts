/**
 * Headers decoded at a cost that grows with their size.
 *
 * The nats client looks at all names that it has for each one that it adds: 12,000 short ones, as
 * one stored task may have, take a second of whatever touches them, those of a megabyte minutes.
 */

/** What is used of the client's class of headers. */
export interface HeadersClass {
  readonly prototype: { findKeys: FindKeys };
  decode: (bytes: Uint8Array) => unknown;
}

/** By the name as it is, where `match` is 0 or absent. */
type FindKeys = (this: NamedHeaders, name: string, match?: number) => string[];

export interface NamedHeaders {
  readonly headers: ReadonlyMap<string, readonly string[]>;
}

/** The client's `Match.Exact`, by which it decodes. */
const EXACT = 0;
/** Of functions that were replaced: a program may open several connections. */
const IS_LEAN = Symbol.for('llmos.lean-headers');

/**
 * For all connections of the client that has this class.
 *
 * @param maxBytes more throws where it is touched, as headers do that can't be read. Only for a
 *   program that is ours: a client's own messages are none of our business.
 */
export function useLeanHeaders(headers: HeadersClass, maxBytes?: number): void {
  const { prototype, decode } = headers;
  const find = prototype.findKeys;
  if (!(IS_LEAN in find)) {
    prototype.findKeys = markLean<FindKeys>(function (name, match = EXACT) {
      if (match !== EXACT) return find.call(this, name, match);
      return this.headers.has(name) ? [name] : [];
    });
  }
  if (maxBytes === undefined || IS_LEAN in decode) return;
  headers.decode = markLean((bytes: Uint8Array) => {
    assertHeaderSize(bytes.length, maxBytes);
    return decode.call(headers, bytes);
  });
}

export function assertHeaderSize(bytes: number, limitBytes: number): void {
  if (bytes <= limitBytes) return;
  throw new RangeError(`the headers have ${bytes} bytes, and ${limitBytes} are read`);
}

function markLean<F extends object>(replaced: F): F {
  return Object.assign(replaced, { [IS_LEAN]: true });
}

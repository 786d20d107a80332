/**
 * Cuts lists into answers that fit into one message.
 *
 * Rows are in the order of their keys, which never change while a row exists, and a token is the
 * key of the last row that was sent. So whatever comes and goes in between, and whichever kernel
 * answers next, a row that is there all the time is in exactly one page.
 */
import type { ErrorBody, PageRequest } from '@llmos/base';
import { LlmosError, encodeJson, errorBody, quoteShort } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';

/** Numbers come before texts. */
export type PageKey = readonly (string | number)[];

export interface PagedList<Row> {
  /** Of the system call; a token of another list is refused. */
  readonly call: string;
  /** In the order of `keyOf`. */
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => PageKey;
  /** What a row takes in the answer; default: the row itself. */
  readonly shownAs?: (row: Row) => unknown;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  /** Absent at the end of the list. */
  readonly nextPageToken?: string;
}

/**
 * The rows after those of the token, as many as asked for and as fit.
 * Throws INVALID_ARGUMENT for a token that is none, RESOURCE_EXHAUSTED for a row that no message
 * can hold; `details.nextPageToken` of that error skips the row.
 * @param maxAnswerBytes of the largest message that the server takes.
 */
export function choosePage<Row>(
  list: PagedList<Row>,
  request: PageRequest,
  maxAnswerBytes: number,
): Page<Row> {
  const { call, rows, keyOf } = list;
  const shownAs = list.shownAs ?? ((row: Row): unknown => row);
  const begin = request.pageToken === undefined ? 0 : firstAfter(list, request.pageToken);
  const maxRows = Math.min(request.pageSize ?? Infinity, EDGE_LIMITS.maxPageRows);
  const roomBytes = maxAnswerBytes - EDGE_LIMITS.pageReserveBytes;
  const pageBytes = Math.min(EDGE_LIMITS.pageBytes, roomBytes);
  let usedBytes = 0;
  let end = begin;
  for (; end < rows.length && end - begin < maxRows; end += 1) {
    const row = rows[end] as Row;
    const bytes = encodeJson(shownAs(row)).length + 1;
    // A row larger than a page has a page of its own.
    if (end > begin && usedBytes + bytes > pageBytes) break;
    if (bytes > roomBytes) throw rowTooLarge(call, keyOf(row), { bytes, roomBytes });
    usedBytes += bytes;
  }
  const last = rows[end - 1];
  const page = rows.slice(begin, end);
  if (end >= rows.length || last === undefined) return { rows: page };
  return { rows: page, nextPageToken: formatPageToken(call, keyOf(last)) };
}

export function formatPageToken(call: string, key: PageKey): string {
  return Buffer.from(JSON.stringify([call, ...key])).toString('base64url');
}

/** Compares part by part. */
export function comparePageKeys(a: PageKey, b: PageKey): number {
  for (let at = 0; at < a.length || at < b.length; at += 1) {
    const order = compareParts(a[at], b[at]);
    if (order !== 0) return order;
  }
  return 0;
}

function compareParts(a: string | number | undefined, b: string | number | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : 1;
}

/** Rows are in order: a search by halves. */
function firstAfter<Row>(list: PagedList<Row>, token: string): number {
  const after = parsePageToken(list.call, token);
  let low = 0;
  let high = list.rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (comparePageKeys(list.keyOf(list.rows[middle] as Row), after) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function parsePageToken(call: string, token: string): PageKey {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
  } catch {
    parts = undefined;
  }
  const [of, ...key] = Array.isArray(parts) ? (parts as readonly unknown[]) : [];
  if (of === call && key.length > 0 && key.every(isKeyPart)) return key;
  throw LlmosError.fromBody(invalidToken(call, token));
}

function isKeyPart(part: unknown): part is string | number {
  return typeof part === 'string' || Number.isFinite(part);
}

function invalidToken(call: string, token: string): ErrorBody {
  const message = `pageToken ${quoteShort(token)} is none that ${call} has given`;
  return errorBody('INVALID_ARGUMENT', message);
}

function rowTooLarge(
  call: string,
  key: PageKey,
  of: { readonly bytes: number; readonly roomBytes: number },
): LlmosError {
  const message =
    `row ${quoteShort(key.join('/'))} of ${call} has ${of.bytes} bytes; ` +
    `a message to this client holds ${of.roomBytes}`;
  const nextPageToken = formatPageToken(call, key);
  return new LlmosError('RESOURCE_EXHAUSTED', message, {
    retryable: false,
    details: { bytes: of.bytes, limitBytes: of.roomBytes, nextPageToken },
  });
}

import { LlmosError, encodeJson } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { PagedList } from './pages';
import { choosePage, comparePageKeys, formatPageToken } from './pages';

const MIB = 1024 * 1024;

interface Row {
  readonly id: string;
  readonly text: string;
}

function listOf(rows: readonly Row[]): PagedList<Row> {
  return { call: 'rows', rows, keyOf: (row) => [row.id] };
}

function rowsOf(count: number, chars = 10): Row[] {
  return Array.from({ length: count }, (_, index) => ({
    id: String(index).padStart(6, '0'),
    text: 'x'.repeat(chars),
  }));
}

/** Follows the tokens; `change` may answer other rows before each page. */
function walk(
  first: readonly Row[],
  change: (rows: readonly Row[], pages: number) => readonly Row[] = (rows) => rows,
  request = {},
): Row[][] {
  const pages: Row[][] = [];
  let rows = first;
  let next: { pageToken?: string } = {};
  do {
    rows = change(rows, pages.length);
    const page = choosePage(listOf(rows), { ...request, ...next }, MIB);
    pages.push([...page.rows]);
    next = page.nextPageToken === undefined ? {} : { pageToken: page.nextPageToken };
  } while (next.pageToken !== undefined && pages.length < 10_000);
  return pages;
}

describe('pages', () => {
  it('are one page without a token where everything fits', () => {
    expect(choosePage(listOf(rowsOf(3)), {}, MIB)).toEqual({ rows: rowsOf(3) });
    expect(choosePage(listOf([]), {}, MIB)).toEqual({ rows: [] });
  });

  it('hold every row once, in order, and none is larger than its bound', () => {
    const rows = rowsOf(5_000, 300);
    const pages = walk(rows);
    expect(pages.flat()).toEqual(rows);
    expect(pages.length).toBeGreaterThan(5);
    const sizes = pages.map((page) => encodeJson(page).length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(EDGE_LIMITS.pageBytes + 1);
  });

  it('hold at most as many rows as were asked for', () => {
    const sizes = walk(rowsOf(10), undefined, { pageSize: 4 }).map((page) => page.length);
    expect(sizes).toEqual([4, 4, 2]);
  });

  it('hold a row that stays exactly once, whatever comes and goes meanwhile', () => {
    const staying = rowsOf(100).filter((_, index) => index % 2 === 0);
    const others = rowsOf(100).filter((_, index) => index % 2 === 1);
    const change = (_rows: readonly Row[], pages: number): Row[] =>
      [...staying, ...others.filter((_, index) => (index + pages) % 3 === 0)].sort((a, b) =>
        comparePageKeys([a.id], [b.id]),
      );
    const seen = walk(rowsOf(100), change, { pageSize: 7 }).flat();
    const ids = seen.map((row) => row.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(expect.arrayContaining(staying.map((row) => row.id)));
  });

  it('go on after a row that is gone', () => {
    const [first, second, third] = rowsOf(3) as [Row, Row, Row];
    const { nextPageToken } = choosePage(listOf([first, second, third]), { pageSize: 2 }, MIB);
    const page = choosePage(listOf([first, third]), { pageToken: nextPageToken ?? '' }, MIB);
    expect(page).toEqual({ rows: [third] });
  });

  it('fit a server that takes only small messages', () => {
    const { rows } = choosePage(listOf(rowsOf(1_000)), {}, 10_000);
    expect(encodeJson(rows).length).toBeLessThanOrEqual(10_000 - EDGE_LIMITS.pageReserveBytes + 1);
  });

  it('give a row that is larger than a page one of its own', () => {
    const rows = [...rowsOf(1), { id: '1', text: 'x'.repeat(500_000) }, ...rowsOf(1)];
    const sizes = [rows[0], rows[1]].map((row) => encodeJson(row).length);
    expect(sizes[1]).toBeGreaterThan(EDGE_LIMITS.pageBytes);
    const pages = walk(rows.slice(0, 2));
    expect(pages.map((page) => page.length)).toEqual([1, 1]);
  });

  it('refuse a row that no message holds, by name and sizes, with a token that skips it', () => {
    const rows = [
      { id: 'a', text: '' },
      { id: 'b', text: 'x'.repeat(2 * MIB) },
      { id: 'c', text: '' },
    ];
    const first = choosePage(listOf(rows), {}, MIB);
    expect(first.rows).toEqual([rows[0]]);
    const error = refusalOf(listOf(rows), first.nextPageToken ?? '');
    expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', retryable: false });
    expect(error.message).toContain('"b"');
    expect(error.message).toContain(String(MIB - EDGE_LIMITS.pageReserveBytes));
    const skip = String(error.details?.['nextPageToken']);
    expect(choosePage(listOf(rows), { pageToken: skip }, MIB)).toEqual({ rows: [rows[2]] });
  });
});

describe('a page token', () => {
  const hostile: [string, string][] = [
    ['of another list', formatPageToken('others', ['a'])],
    ['of no list', Buffer.from('"rows"').toString('base64url')],
    ['without a key', formatPageToken('rows', [])],
    ['that is no JSON', 'AAAA'],
    ['that nests', Buffer.from(`["rows",${'['.repeat(300)}`).toString('base64url')],
    ['with a list in its key', Buffer.from('["rows",["a"]]').toString('base64url')],
    ['with nothing in its key', Buffer.from('["rows",null]').toString('base64url')],
    ['with a number that is none', Buffer.from('["rows",1e999]').toString('base64url')],
  ];
  it.each(hostile)('%s is refused by name', (_name, token) => {
    const error = refusalOf(listOf(rowsOf(3)), token);
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message).toContain('rows');
  });

  it('of a longer or shorter key is only a place in the list', () => {
    const token = formatPageToken('rows', ['000000', 'more', 7]);
    expect(choosePage(listOf(rowsOf(2)), { pageToken: token }, MIB).rows).toEqual(
      rowsOf(2).slice(1),
    );
  });
});

function refusalOf(list: PagedList<Row>, pageToken: string): LlmosError {
  try {
    choosePage(list, { pageToken }, MIB);
  } catch (error) {
    if (error instanceof LlmosError) return error;
  }
  throw new Error('it was not refused');
}

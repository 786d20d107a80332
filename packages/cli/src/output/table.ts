/** Tables for people: aligned columns, no borders. */
import type { Style } from './style';
import { widthOf } from './style';

export interface Column<Row> {
  readonly title: string;
  readonly align?: 'left' | 'right';
  readonly cell: (row: Row) => string;
}

/** Every text in it is made safe for a terminal: a name from outside can't move the cursor. */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  style: Style,
): string {
  const cells = rows.map((row) => columns.map((column) => safeLine(column.cell(row))));
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...cells.map((row) => widthOf(row[index] ?? ''))),
  );
  const line = (parts: readonly string[]): string =>
    columns
      .map((column, index) => pad(parts[index] ?? '', widths[index] ?? 0, column.align ?? 'left'))
      .join('  ')
      .trimEnd();
  const head = style.dim(line(columns.map((column) => column.title)));
  return [head, ...cells.map(line)].join('\n');
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'left' ? text + space : space + text;
}

/** Control characters other than our own colours become visible. */
export function safeLine(text: string): string {
  return text.replace(/\u001b(?!\[\d+m)|[\u0000-\u001a\u001c-\u001f\u007f-\u009f]/g, '\ufffd');
}

/** The same for a text of several lines: line breaks and tabs stay. */
export function safeText(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd');
}

/** The output of a function for people; what has no form of its own is shown as JSON. */
import { isRecord } from '@llmos/base';
import type { Entity, Label } from '@llmos/base';
import { CLI_LIMITS } from '../limits';
import { formatTable, safeText } from './table';
import type { Style } from './style';
import { bar, formatScore } from './units';

export function formatOutput(name: string, output: unknown, style: Style): string {
  const special = isRecord(output) ? FORMATS[name]?.(output, style) : undefined;
  return special ?? safeText(JSON.stringify(output, undefined, 2) ?? 'undefined');
}

type Format = (output: Record<string, unknown>, style: Style) => string | undefined;

const FORMATS: Readonly<Record<string, Format>> = {
  generate: ({ text }) => (typeof text === 'string' ? safeText(text) : undefined),
  classify: ({ labels }, style) => eachText(labels, isLabel, (found) => formatLabels(found, style)),
  extract: ({ entities }, style) =>
    eachText(entities, isEntity, (found) => formatEntities(found, style)),
  embed: ({ embeddings }) => (Array.isArray(embeddings) ? formatVectors(embeddings) : undefined),
};

/** A list, or a list of lists where several texts were given. */
function eachText<Item>(
  value: unknown,
  isItem: (item: unknown) => item is Item,
  format: (items: readonly Item[]) => string,
): string | undefined {
  if (!Array.isArray(value)) return undefined;
  if (value.every(isItem)) return format(value);
  const lists = value.filter((list): list is Item[] => Array.isArray(list) && list.every(isItem));
  return lists.length === value.length ? lists.map(format).join('\n\n') : undefined;
}

function formatLabels(labels: readonly Label[], style: Style): string {
  const rows = labels.slice(0, CLI_LIMITS.shownRows);
  const table = formatTable(
    [
      { title: 'LABEL', cell: (row) => row.label },
      { title: 'SCORE', align: 'right', cell: (row) => formatScore(row.score) },
      { title: '', cell: (row) => style.cyan(bar(row.score, 20)) },
    ],
    rows,
    style,
  );
  return table + more(labels.length - rows.length, style);
}

function formatEntities(entities: readonly Entity[], style: Style): string {
  if (entities.length === 0) return style.dim('no entities');
  const rows = entities.slice(0, CLI_LIMITS.shownRows);
  const table = formatTable(
    [
      { title: 'TYPE', cell: (row) => style.cyan(row.type) },
      { title: 'TEXT', cell: (row) => row.text },
      { title: 'AT', cell: (row) => `${row.start}–${row.end}` },
      { title: 'SCORE', align: 'right', cell: (row) => formatScore(row.score) },
    ],
    rows,
    style,
  );
  return table + more(entities.length - rows.length, style);
}

function formatVectors(vectors: readonly unknown[]): string | undefined {
  const lines = vectors.slice(0, CLI_LIMITS.shownRows).map((vector) => {
    if (!Array.isArray(vector)) return undefined;
    const values: number[] = vector.map(Number);
    const shown = values.slice(0, CLI_LIMITS.shownValues).map((value) => value.toFixed(4));
    return `[${shown.join(', ')}${values.length > CLI_LIMITS.shownValues ? ', …' : ''}] (${values.length})`;
  });
  return lines.every((line) => line !== undefined) ? lines.join('\n') : undefined;
}

function more(left: number, style: Style): string {
  return left > 0 ? `\n${style.dim(`… and ${left} more`)}` : '';
}

function isLabel(value: unknown): value is Label {
  return isRecord(value) && typeof value['label'] === 'string' && isNumber(value['score']);
}

function isEntity(value: unknown): value is Entity {
  if (!isRecord(value) || typeof value['text'] !== 'string') return false;
  const { type, start, end, score } = value;
  return typeof type === 'string' && [start, end, score].every(isNumber);
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

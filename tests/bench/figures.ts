/** What the benchmark reports: figures with their goals, as a table or as JSON. Pure. */
import { median } from './growth';

export interface Goal {
  readonly kind: 'at-most' | 'at-least';
  readonly value: number;
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Null: nothing was promised. */
  readonly goal: string | null;
  readonly holds: boolean;
  /** Of the rounds: lowest and highest. */
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
}

/** @param rounds one value for each round; the figure is their median. */
export function figureOf(of: {
  readonly name: string;
  readonly unit: string;
  readonly rounds: readonly number[];
  readonly goal?: Goal;
}): Figure {
  const { name, unit, rounds, goal } = of;
  const value = rounded(median(rounds));
  return {
    name,
    value,
    unit,
    goal: goal === undefined ? null : `${SIGNS[goal.kind]} ${goal.value}`,
    holds: goal === undefined || isReached(value, goal),
    low: rounded(Math.min(...rounds)),
    high: rounded(Math.max(...rounds)),
    rounds: rounds.length,
  };
}

/** One ratio for each round: what drifts over a run drifts in both. */
export function ratios(above: readonly number[], below: readonly number[]): number[] {
  return above.map((value, index) => value / (below[index] ?? Number.NaN));
}

export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.name,
    `${figure.value} ${figure.unit}`,
    `${figure.low} to ${figure.high}`,
    figure.goal ?? '',
    figure.goal === null ? '' : figure.holds ? 'reached' : 'not reached',
  ]);
  const lines = [['figure', 'median', 'lowest to highest', 'goal', ''], ...rows];
  const widths = lines[0]?.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  return lines
    .map((line) => line.map((cell, column) => cell.padEnd(widths?.[column] ?? 0)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n');
}

const SIGNS = { 'at-most': '≤', 'at-least': '≥' } as const;

function isReached(value: number, goal: Goal): boolean {
  return goal.kind === 'at-most' ? value <= goal.value : value >= goal.value;
}

/** Three digits that count. */
function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}

/**
 * Whether a figure grew over a run. Pure.
 *
 * The first tenth is warm-up (models load, heaps find their size); the medians of the second and
 * of the last tenth are compared, so that one odd sample decides nothing.
 */
export interface GrowthBound {
  readonly share: number;
  readonly amount: number;
}

export interface Growth {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  readonly highest: number;
  readonly bound: number;
  readonly holds: boolean;
}

const LEAST_SAMPLES = 10;

/** @param samples in the order of time; undefined where there are too few of them. */
export function growthOf(
  name: string,
  samples: readonly number[],
  bound: GrowthBound,
): Growth | undefined {
  if (samples.length < LEAST_SAMPLES) return undefined;
  const tenth = Math.floor(samples.length / 10);
  const first = median(samples.slice(tenth, 2 * tenth));
  const last = median(samples.slice(-tenth));
  const highest = Math.max(...samples);
  const allowed = first + Math.max(bound.amount, first * bound.share);
  return { name, first, last, highest, bound: allowed, holds: last <= allowed };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The nearest of the values; NaN where there is none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const index = Math.min(sorted.length - 1, Math.floor(share * sorted.length));
  return sorted[index] ?? Number.NaN;
}

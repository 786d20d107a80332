/** Cuts rows of tokens into the batches of single model runs. */
export interface BatchLimits {
  readonly maxRows: number;
  /** Rows × longest row, padding included. */
  readonly maxTokens: number;
  /** What starting one more run costs, in tokens that padding wastes for the same time. */
  readonly runCostTokens: number;
}

/**
 * Rows of like length share a batch; a row that is too long for any batch gets one of its own.
 * Of all ways to cut the rows, sorted by length, the one of least cost: each run costs its tokens,
 * padding included, and `runCostTokens`. Rows × maxRows steps.
 * Answers indices into `lengths`; equal lengths keep their order.
 */
export function planBatches(
  lengths: readonly number[],
  limits: BatchLimits,
): readonly (readonly number[])[] {
  const order = lengths.map((_, index) => index);
  order.sort((a, b) => (lengths[a] ?? 0) - (lengths[b] ?? 0) || a - b);
  const sizes = lastBatchSizes(
    order.map((index) => lengths[index] ?? 0),
    limits,
  );
  const batches: number[][] = [];
  for (let end = order.length; end > 0;) {
    const size = sizes[end] ?? 1;
    batches.push(order.slice(end - size, end));
    end -= size;
  }
  return batches.reverse();
}

/** For each number of the shortest rows: rows of the last batch where these alone are cut best. */
function lastBatchSizes(sorted: readonly number[], limits: BatchLimits): Uint32Array {
  const sizes = new Uint32Array(sorted.length + 1);
  const costs = new Float64Array(sorted.length + 1).fill(Infinity);
  costs[0] = 0;
  for (let end = 1; end <= sorted.length; end += 1) {
    const longest = sorted[end - 1] ?? 0;
    const fitting = Math.floor(limits.maxTokens / Math.max(1, longest));
    const most = Math.max(1, Math.min(end, limits.maxRows, fitting));
    for (let size = 1; size <= most; size += 1) {
      const cost = (costs[end - size] ?? 0) + limits.runCostTokens + size * longest;
      if (cost > (costs[end] ?? 0)) continue;
      costs[end] = cost;
      sizes[end] = size;
    }
  }
  return sizes;
}

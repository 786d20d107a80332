/** Cuts rows of tokens into the batches of single model runs. */
export interface BatchLimits {
  readonly maxRows: number;
  /** Rows × longest row, padding included. */
  readonly maxTokens: number;
}

/**
 * Rows of like length share a batch, so that little is padding; a row that is too long for any
 * batch gets one of its own. Answers indices into `lengths`; equal lengths keep their order.
 */
export function planBatches(
  lengths: readonly number[],
  limits: BatchLimits,
): readonly (readonly number[])[] {
  const order = lengths.map((_, index) => index);
  order.sort((a, b) => (lengths[a] ?? 0) - (lengths[b] ?? 0) || a - b);
  const batches: number[][] = [];
  let open: number[] = [];
  for (const index of order) {
    const longest = lengths[index] ?? 0;
    const fits = open.length < limits.maxRows && (open.length + 1) * longest <= limits.maxTokens;
    if (open.length > 0 && !fits) {
      batches.push(open);
      open = [];
    }
    open.push(index);
  }
  return open.length === 0 ? batches : [...batches, open];
}

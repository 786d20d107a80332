/** From the vectors of a text's tokens to the vector of the text. */
import { LlmosError } from '@llmos/base';
import type { RowOutput } from './encoder-graph';

/** The mean over the row's own tokens; padding does not count. */
export function meanOf(row: RowOutput, tokenCount: number): Float32Array {
  const width = widthOf(row);
  const sums = new Float64Array(width);
  for (let token = 0; token < tokenCount; token += 1) {
    for (let axis = 0; axis < width; axis += 1) {
      sums[axis] = (sums[axis] ?? 0) + (row.values[token * width + axis] ?? 0);
    }
  }
  return Float32Array.from(sums, (sum) => sum / Math.max(1, tokenCount));
}

/** The vector of the first token. */
export function firstOf(row: RowOutput): Float32Array {
  return row.values.slice(0, widthOf(row));
}

/** Length 1; a zero vector stays zero. */
export function normalized(vector: Float32Array): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const length = Math.sqrt(squares);
  return length === 0 ? vector : vector.map((value) => value / length);
}

export function assertFinite(values: Float32Array): void {
  if (!values.every(Number.isFinite)) {
    throw new LlmosError('INTERNAL', 'the model gave a value that is not finite');
  }
}

function widthOf(row: RowOutput): number {
  return row.dims.at(-1) ?? 0;
}

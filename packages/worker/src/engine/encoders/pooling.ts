/** From the vectors of a text's tokens to the vector of the text. */
import { LlmosError } from '@llmos/base';
import type { RowOutput } from './encoder-graph';

/** The mean over the row's own tokens; padding does not count. */
export function meanOf(row: RowOutput, tokenCount: number): Float32Array {
  const width = widthOf(row);
  const { values } = row;
  const sums = new Float64Array(width);
  for (let token = 0; token < tokenCount; token += 1) {
    const start = token * width;
    for (let axis = 0; axis < width; axis += 1) {
      sums[axis] = (sums[axis] as number) + (values[start + axis] as number);
    }
  }
  const means = new Float32Array(width);
  const count = Math.max(1, tokenCount);
  for (let axis = 0; axis < width; axis += 1) means[axis] = (sums[axis] as number) / count;
  return means;
}

/** The vector of the first token. */
export function firstOf(row: RowOutput): Float32Array {
  return row.values.slice(0, widthOf(row));
}

/** Length 1; a zero vector stays zero. */
export function normalized(vector: Float32Array): Float32Array {
  let squares = 0;
  for (let axis = 0; axis < vector.length; axis += 1) squares += (vector[axis] as number) ** 2;
  const length = Math.sqrt(squares);
  if (length === 0) return vector;
  const unit = new Float32Array(vector.length);
  for (let axis = 0; axis < vector.length; axis += 1)
    unit[axis] = (vector[axis] as number) / length;
  return unit;
}

export function assertFinite(values: Float32Array): void {
  for (let at = 0; at < values.length; at += 1) {
    if (Number.isFinite(values[at])) continue;
    throw new LlmosError('INTERNAL', 'the model gave a value that is not finite');
  }
}

function widthOf(row: RowOutput): number {
  return row.dims.at(-1) ?? 0;
}

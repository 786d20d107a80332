/**
 * Runs of a graph on sample inputs, to compare it with another one of the same inputs: how far the
 * outputs are from each other. Pure.
 */
import type { HostTensor, TensorElements, TensorSpec } from '../ports/model-runner';
import { fromFloat16Bits } from '@llmos/base';
import { zeroTensor } from '../engine/tensors/tensor-values';

export interface SampleShape {
  readonly rows: number;
  /** Token ids that rows are cut from; rows begin at different places. */
  readonly ids: readonly number[];
  /** Tokens of a row. */
  readonly length: number;
}

/** Inputs of a run without a past; what is no text becomes noise from 0 to 1, always the same. */
export function sampleInputs(
  specs: readonly TensorSpec[],
  shape: SampleShape,
): Map<string, HostTensor> {
  const required = specs.filter((spec) => spec.isOptional !== true);
  return new Map(required.map((spec) => [spec.name, sampleTensor(spec, shape)]));
}

function sampleTensor(spec: TensorSpec, shape: SampleShape): HostTensor {
  const { rows, length } = shape;
  const type = spec.type === 'unsupported' ? 'float32' : spec.type;
  const isPast = spec.name.startsWith('past');
  const tensor = zeroTensor(
    type,
    isTokens(spec) ? [rows, length] : spec.dims.map((dim, axis) => sizeOf(dim, axis, isPast, rows)),
  );
  const value = VALUES[spec.name];
  if (value !== undefined && isTokens(spec)) fill(tensor.elements, (at) => value(shape, at));
  else if (!isPast) fillNoise(tensor);
  return tensor;
}

function isTokens(spec: TensorSpec): boolean {
  return VALUES[spec.name] !== undefined && spec.dims.length === 2;
}

const VALUES: Readonly<Record<string, (shape: SampleShape, at: number) => number>> = {
  input_ids: ({ ids, length }, at) => {
    const row = Math.floor(at / length);
    return ids[(row * 7 + (at % length)) % ids.length] ?? 0;
  },
  attention_mask: () => 1,
  token_type_ids: () => 0,
  position_ids: ({ length }, at) => at % length,
};

function sizeOf(dim: number | string, axis: number, isPast: boolean, rows: number): number {
  if (typeof dim === 'number') return dim;
  if (/batch/i.test(dim) || (dim === '' && axis === 0)) return rows;
  return isPast ? 0 : axis === 0 ? rows : 1;
}

function fill(elements: TensorElements, value: (at: number) => number): void {
  if (elements instanceof BigInt64Array) {
    for (let at = 0; at < elements.length; at += 1) elements[at] = BigInt(value(at));
  } else if (elements instanceof Int32Array) {
    for (let at = 0; at < elements.length; at += 1) elements[at] = value(at);
  }
}

/** A linear congruential generator (Numerical Recipes), from one seed. */
function fillNoise({ elements, type }: HostTensor): void {
  if (!(elements instanceof Float32Array) || type !== 'float32') return;
  let state = 1;
  for (let at = 0; at < elements.length; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    elements[at] = state / 2 ** 32;
  }
}

/** The length of the difference over the length of the expected, taken as vectors. */
export function relativeError(expected: HostTensor, found: HostTensor): number {
  let difference = 0;
  let length = 0;
  const count = expected.elements.length;
  for (let at = 0; at < count; at += 1) {
    const want = numberAt(expected, at);
    const have = numberAt(found, at);
    difference += (want - have) ** 2;
    length += want ** 2;
  }
  if (difference === 0) return 0;
  return Number.isNaN(difference) || length === 0 ? Infinity : Math.sqrt(difference / length);
}

function numberAt({ elements, type }: HostTensor, at: number): number {
  const value = elements[at];
  if (type === 'float16') return fromFloat16Bits(Number(value));
  return Number(value);
}

export function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** The keys and values that a decoder graph takes and gives, and copies of them in host memory. */
import type { TensorArray, TensorType } from '@llmos/base';
import { LlmosError, quoteShort } from '@llmos/base';
import type { GenerationSettings } from '../../models/model-settings';
import type { ModelRunner, TensorElements, TensorSpec } from '../../ports/model-runner';
import type { SavedKv } from './decoder-rows';
import { zeroTensor } from '../tensors/tensor-values';

export interface KvPair {
  readonly input: string;
  readonly output: string;
  readonly type: TensorType;
  /** Of one row. */
  readonly dimsOf: (tokens: number) => readonly number[];
  /** Of one row: products of the dimensions before and after that of the tokens. */
  readonly outerCount: number;
  readonly innerCount: number;
  /** Whether it is `[rows, kv heads, tokens, head size]`, of any number of rows. */
  readonly hasRows: boolean;
}

/** `past_key_values.0.key` ↔ `present.0.key`, `past_0` ↔ `present_0`, … */
function presentNames(past: string): readonly string[] {
  return [
    past.replace(/^past_key_values/, 'present'),
    past.replace(/^past/, 'present'),
    past.replace(/^past_key_values/, 'present_key_values'),
  ];
}

/** Throws FAILED_PRECONDITION where a past has no present, or a size is not known. */
export function findKvPairs(
  runner: Pick<ModelRunner, 'inputs' | 'outputs'>,
  settings: GenerationSettings,
): readonly KvPair[] {
  const outputs = new Set(runner.outputs.map((spec) => spec.name));
  return runner.inputs
    .filter((spec) => spec.name.startsWith('past'))
    .map((spec) => {
      const output = presentNames(spec.name).find((name) => outputs.has(name));
      if (output === undefined || spec.type === 'unsupported') {
        throw refuse(`the graph's input ${quoteShort(spec.name)} has no present beside it`);
      }
      const dimsOf = dimsReader(spec, settings);
      const dims = dimsOf(1);
      const innerCount = dims.at(-1) ?? 1;
      return {
        ...{ input: spec.name, output, type: spec.type, dimsOf, innerCount },
        outerCount: product(dims) / innerCount,
        hasRows: spec.dims.length === 4 && typeof spec.dims[0] !== 'number',
      };
    });
}

/** Keys and values end with `[…, heads, tokens, head size]`; what stands before counts one. */
function dimsReader(
  spec: TensorSpec,
  settings: GenerationSettings,
): (tokens: number) => readonly number[] {
  const rank = spec.dims.length;
  const sizes: Readonly<Record<number, number | undefined>> = {
    [rank - 3]: settings.kvHeads,
    [rank - 1]: settings.headSize,
  };
  const dims = spec.dims.map((dim, axis) => {
    if (typeof dim === 'number' || axis === rank - 2) return Number(dim);
    const size = axis < rank - 3 ? 1 : sizes[axis];
    if (size !== undefined) return size;
    throw refuse(`the size of dimension ${axis} of ${quoteShort(spec.name)} is not known`);
  });
  return (tokens) => dims.map((dim, axis) => (axis === rank - 2 ? tokens : dim));
}

/** Bytes of one token's keys and values. */
export function bytesPerToken(pairs: readonly KvPair[]): number {
  return pairs.reduce((sum, pair) => {
    const element = elementsOf(pair, 1).BYTES_PER_ELEMENT;
    return sum + pair.outerCount * pair.innerCount * element;
  }, 0);
}

/** Room, all zero, for so many tokens of one row. */
export function elementsOf(pair: KvPair, tokenCount: number): TensorArray {
  return numbersOf(zeroTensor(pair.type, pair.dimsOf(tokenCount)).elements);
}

/** Keys and values of one row at a place in an array: `room` tokens, of which some are held. */
export interface RowPlace {
  readonly elements: TensorArray;
  /** Where its first element stands. */
  readonly start: number;
  /** Tokens that there is room for. */
  readonly room: number;
}

/** Copies a row's first tokens. The two places may not overlap, unless they are the same. */
export function copyTokens(pair: KvPair, from: RowPlace, to: RowPlace, tokenCount: number): void {
  // The arrays are of one kind, that of the pair's type.
  const source = from.elements as Float32Array;
  const target = to.elements as Float32Array;
  const { innerCount } = pair;
  const count = tokenCount * innerCount;
  for (let outer = 0; outer < pair.outerCount; outer += 1) {
    const at = from.start + outer * from.room * innerCount;
    target.set(source.subarray(at, at + count), to.start + outer * to.room * innerCount);
  }
}

/** Copies a row's first tokens out. */
export function saveTokens(
  pairs: readonly KvPair[],
  placeOf: (pairIndex: number) => RowPlace,
  tokenCount: number,
): SavedKv {
  const parts = pairs.map((pair, index) => {
    const elements = elementsOf(pair, tokenCount);
    copyTokens(pair, placeOf(index), { elements, start: 0, room: tokenCount }, tokenCount);
    return elements;
  });
  return { tokenCount, bytes: parts.reduce((sum, part) => sum + part.byteLength, 0), parts };
}

export function savedPlace(saved: SavedKv, pairIndex: number): RowPlace {
  const elements = saved.parts[pairIndex];
  if (elements === undefined) throw new LlmosError('INTERNAL', 'keys and values of another graph');
  return { elements, start: 0, room: saved.tokenCount };
}

/** Throws FAILED_PRECONDITION where they are texts. */
export function numbersOf(elements: TensorElements): TensorArray {
  if (Array.isArray(elements)) throw refuse('keys and values are no texts');
  return elements as TensorArray;
}

function product(dims: readonly number[]): number {
  return dims.reduce((count, dim) => count * dim, 1);
}

function refuse(message: string): LlmosError {
  return new LlmosError('FAILED_PRECONDITION', message);
}

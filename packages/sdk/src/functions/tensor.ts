/**
 * Tensors between programs and the wire: values travel as base64 of their little-endian bytes,
 * exact for every number, NaN and infinities too; strings travel as a list.
 */
import type { NumberType, TensorArray, TensorType, TensorValue } from '@llmos/base';
import { ELEMENT_KINDS, fromFloat16Bits, isRecord, quoteShort, toFloat16Bits } from '@llmos/base';
import { invalid } from '../call-options';

export type { TensorArray };
export type TensorElement = number | bigint | boolean | string;
export type TensorSource = TensorArray | readonly TensorElement[];

const numbers = (elements: readonly TensorElement[]): number[] => elements.map(toNumber);

/** What takes any number, as the nearest that it has. */
const ROUNDED: ReadonlySet<TensorType> = new Set(['float16', 'float32', 'float64', 'bool']);

/**
 * A tensor for `infer`. Data is row-major: a typed array or a list. Of `float16`, a Uint16Array
 * holds raw bits, anything else numbers. Throws INVALID_ARGUMENT where dims and data don't agree,
 * and for a number that its type can't hold: integers are neither cut nor wrapped.
 *
 * @example tensor('float32', [1, 3], [0.1, 0.2, 0.3])
 */
export function tensor(type: TensorType, dims: readonly number[], data: TensorSource): TensorValue {
  if (!isDims(dims)) throw invalid(`dims ${quoteShort(dims)} are no list of integers from 0`);
  if (!isSource(data)) {
    throw invalid(`data ${quoteShort(data)} is neither a list nor a typed array`);
  }
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (count !== data.length) {
    throw invalid(`dims [${dims.join(', ')}] hold ${count} values, but data has ${data.length}`);
  }
  if (type === 'string') return { type, dims, data: Array.from(data, String) };
  if (!Object.hasOwn(ELEMENT_KINDS, type))
    throw invalid(`type ${quoteShort(type)} is no tensor type`);
  const array = isRaw(type, data) ? data : convert(type, Array.from<TensorElement>(data));
  const { buffer, byteOffset, byteLength } = array;
  return { type, dims, data: Buffer.from(buffer, byteOffset, byteLength).toString('base64') };
}

/**
 * The values of a tensor. 64-bit integers come as bigints, `bool` as 0 and 1, `float16` as a
 * Float32Array, strings as a list. Throws INVALID_ARGUMENT where data and dims don't agree.
 */
export function readTensor(value: TensorValue): TensorArray | readonly string[] {
  assertTensor(value);
  const { type, dims, data } = value;
  const count = dims.reduce((product, dim) => product * dim, 1);
  const array = typeof data === 'string' ? readBytes(type, data) : readList(type, data);
  if (array.length !== count) {
    throw invalid(`dims [${dims.join(', ')}] hold ${count} values, but data has ${array.length}`);
  }
  return array;
}

/** Tensors come from results, which a program of anyone's may have written. */
function assertTensor(value: unknown): asserts value is TensorValue {
  if (!isRecord(value)) throw invalid(`${quoteShort(value)} is no tensor`);
  const { type, dims, data } = value;
  if (typeof type !== 'string' || (type !== 'string' && !Object.hasOwn(ELEMENT_KINDS, type))) {
    throw invalid(`type ${quoteShort(type)} is no tensor type`);
  }
  if (!Array.isArray(dims) || !dims.every((dim) => Number.isSafeInteger(dim))) {
    throw invalid(`dims ${quoteShort(dims)} are no list of integers`);
  }
  if (typeof data === 'string' || (Array.isArray(data) && data.every(isElement))) return;
  throw invalid(`data ${quoteShort(data)} is neither base64 nor a list of values`);
}

function isDims(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((dim) => Number.isSafeInteger(dim) && dim >= 0);
}

function isSource(value: unknown): value is TensorSource {
  if (Array.isArray(value)) return value.every(isElement);
  return ArrayBuffer.isView(value) && 'length' in value;
}

function isElement(value: unknown): value is TensorElement {
  return ['number', 'bigint', 'boolean', 'string'].includes(typeof value);
}

function readBytes(type: TensorType, base64: string): TensorArray | readonly string[] {
  if (type === 'string') throw invalid('a tensor of strings has its data as a list');
  const bytes = Buffer.from(base64, 'base64');
  const source = ELEMENT_KINDS[type];
  if (bytes.byteLength % source.bytes !== 0) {
    throw invalid(`${bytes.byteLength} bytes are no whole number of ${type} values`);
  }
  // A copy of its own: pooled buffers start at odd offsets.
  const array = source.create(new Uint8Array(bytes).buffer);
  if (type !== 'float16') return array;
  return Float32Array.from(array as Uint16Array, fromFloat16Bits);
}

function readList(
  type: TensorType,
  elements: readonly TensorElement[],
): TensorArray | readonly string[] {
  if (type === 'string') return elements.map(String);
  if (type === 'float16') return Float32Array.from(numbers(elements));
  return convert(type, elements);
}

/** Typed arrays cut and wrap what they can't hold; whoever names an integer wants that one. */
function convert(type: NumberType, elements: readonly TensorElement[]): TensorArray {
  const array = arrayOf(type, elements);
  if (ROUNDED.has(type)) return array;
  for (const [index, element] of elements.entries()) {
    const held = array[index];
    if (held === (typeof held === 'bigint' ? toBigInt(element) : toNumber(element))) continue;
    throw invalid(`tensor value ${quoteShort(String(element))} is no ${type}`);
  }
  return array;
}

function arrayOf(type: NumberType, elements: readonly TensorElement[]): TensorArray {
  const array = ELEMENT_KINDS[type].create(elements.length);
  if (array instanceof BigInt64Array || array instanceof BigUint64Array) {
    for (const [index, element] of elements.entries()) array[index] = toBigInt(element);
    return array;
  }
  const read = READERS[type] ?? toNumber;
  for (const [index, element] of elements.entries()) array[index] = read(element);
  return array;
}

/** Types whose arrays hold something else than the number itself. */
const READERS: Readonly<Partial<Record<NumberType, (element: TensorElement) => number>>> = {
  float16: (element) => toFloat16Bits(toNumber(element)),
  bool: (element) => (toNumber(element) ? 1 : 0),
};

/** Whether the bytes of a typed array are those of the tensor. */
function isRaw(type: NumberType, data: TensorSource): data is TensorArray {
  return ArrayBuffer.isView(data) && data.constructor === ELEMENT_KINDS[type].create(0).constructor;
}

function toNumber(element: TensorElement): number {
  if (typeof element !== 'string') return Number(element);
  const number = element.trim() === '' ? Number.NaN : Number(element);
  if (Number.isNaN(number)) throw invalid(`tensor value ${quoteShort(element)} is no number`);
  return number;
}

function toBigInt(element: TensorElement): bigint {
  try {
    return BigInt(element);
  } catch {
    throw invalid(`tensor value ${quoteShort(String(element))} is no 64-bit integer`);
  }
}

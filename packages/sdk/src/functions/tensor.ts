/**
 * Tensors between programs and the wire: values travel as base64 of their little-endian bytes,
 * exact for every number, NaN and infinities too; strings travel as a list.
 */
import type { TensorArray, TensorType, TensorValue } from '@llmos/base';
import { fromFloat16Bits, isRecord, quoteShort, toFloat16Bits } from '@llmos/base';
import { invalid } from '../call-options';

export type { TensorArray };
export type TensorElement = number | bigint | boolean | string;
export type TensorSource = TensorArray | readonly TensorElement[];

type NumberType = Exclude<TensorType, 'string'>;
interface ArrayKind {
  readonly bytes: number;
  readonly view: (buffer: ArrayBuffer) => TensorArray;
  readonly create: (elements: readonly TensorElement[]) => TensorArray;
}

const numbers = (elements: readonly TensorElement[]): number[] => elements.map(toNumber);
const bigints = (elements: readonly TensorElement[]): bigint[] => elements.map(toBigInt);

/** Of `float16`, the array holds the raw bits. */
const KINDS: Readonly<Record<NumberType, ArrayKind>> = {
  float32: kind(
    4,
    (b) => new Float32Array(b),
    (e) => Float32Array.from(numbers(e)),
  ),
  float64: kind(
    8,
    (b) => new Float64Array(b),
    (e) => Float64Array.from(numbers(e)),
  ),
  float16: kind(
    2,
    (b) => new Uint16Array(b),
    (e) => Uint16Array.from(numbers(e).map(toFloat16Bits)),
  ),
  int8: kind(
    1,
    (b) => new Int8Array(b),
    (e) => Int8Array.from(numbers(e)),
  ),
  uint8: kind(
    1,
    (b) => new Uint8Array(b),
    (e) => Uint8Array.from(numbers(e)),
  ),
  bool: kind(
    1,
    (b) => new Uint8Array(b),
    (e) => Uint8Array.from(e, (x) => (toNumber(x) ? 1 : 0)),
  ),
  int16: kind(
    2,
    (b) => new Int16Array(b),
    (e) => Int16Array.from(numbers(e)),
  ),
  uint16: kind(
    2,
    (b) => new Uint16Array(b),
    (e) => Uint16Array.from(numbers(e)),
  ),
  int32: kind(
    4,
    (b) => new Int32Array(b),
    (e) => Int32Array.from(numbers(e)),
  ),
  uint32: kind(
    4,
    (b) => new Uint32Array(b),
    (e) => Uint32Array.from(numbers(e)),
  ),
  int64: kind(
    8,
    (b) => new BigInt64Array(b),
    (e) => BigInt64Array.from(bigints(e)),
  ),
  uint64: kind(
    8,
    (b) => new BigUint64Array(b),
    (e) => BigUint64Array.from(bigints(e)),
  ),
};

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
  if (!Object.hasOwn(KINDS, type)) throw invalid(`type ${quoteShort(type)} is no tensor type`);
  const array = isRaw(type, data) ? data : convert(type, Array.from<TensorElement>(data));
  const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return { type, dims, data: bytes.toString('base64') };
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
  if (typeof type !== 'string' || (type !== 'string' && !Object.hasOwn(KINDS, type))) {
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
  const source = KINDS[type];
  if (bytes.byteLength % source.bytes !== 0) {
    throw invalid(`${bytes.byteLength} bytes are no whole number of ${type} values`);
  }
  // A copy of its own: pooled buffers start at odd offsets.
  const array = source.view(new Uint8Array(bytes).buffer);
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
  const array = KINDS[type].create(elements);
  if (ROUNDED.has(type)) return array;
  for (const [index, element] of elements.entries()) {
    const held = array[index];
    if (held === (typeof held === 'bigint' ? toBigInt(element) : toNumber(element))) continue;
    throw invalid(`tensor value ${quoteShort(String(element))} is no ${type}`);
  }
  return array;
}

function kind(bytes: number, view: ArrayKind['view'], create: ArrayKind['create']): ArrayKind {
  return { bytes, view, create };
}

/** Whether the bytes of a typed array are those of the tensor. */
function isRaw(type: NumberType, data: TensorSource): data is TensorArray {
  return ArrayBuffer.isView(data) && data.constructor === KINDS[type].create([]).constructor;
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

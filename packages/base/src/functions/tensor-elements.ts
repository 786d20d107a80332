/**
 * The elements of a tensor by their type: how many bytes one has, the array that holds them, and
 * for integers which values there are. Of `float16` the array holds the raw bits.
 *
 * Whoever reads a tensor decides what else it takes: the engine refuses what a type can't hold, a
 * client rounds what its program gave it.
 */
import type { TensorType } from './built-in';
import type { TensorArray } from './function-types';

export type NumberType = Exclude<TensorType, 'string'>;

export interface ElementKind {
  readonly bytes: number;
  /** Of so many zeros, or over the bytes of a buffer. */
  readonly create: (source: number | ArrayBuffer) => TensorArray;
  readonly least?: number | bigint;
  readonly most?: number | bigint;
}

/** The constructors take a length as they take a buffer; TypeScript knows one of them at a time. */
type Create = (source: ArrayBuffer) => TensorArray;

export const ELEMENT_KINDS: Readonly<Record<NumberType, ElementKind>> = {
  float32: floats(4, (source) => new Float32Array(source)),
  float16: floats(2, (source) => new Uint16Array(source)),
  float64: floats(8, (source) => new Float64Array(source)),
  int8: integers(1, (source) => new Int8Array(source), -128, 127),
  uint8: integers(1, (source) => new Uint8Array(source), 0, 255),
  int16: integers(2, (source) => new Int16Array(source), -32768, 32767),
  uint16: integers(2, (source) => new Uint16Array(source), 0, 65535),
  int32: integers(4, (source) => new Int32Array(source), -2147483648, 2147483647),
  uint32: integers(4, (source) => new Uint32Array(source), 0, 4294967295),
  int64: integers(8, (source) => new BigInt64Array(source), -(2n ** 63n), 2n ** 63n - 1n),
  uint64: integers(8, (source) => new BigUint64Array(source), 0n, 2n ** 64n - 1n),
  bool: integers(1, (source) => new Uint8Array(source), 0, 1),
};

function floats(bytes: number, create: Create): ElementKind {
  return { bytes, create: create as ElementKind['create'] };
}

function integers(
  bytes: number,
  create: Create,
  least: number | bigint,
  most: number | bigint,
): ElementKind {
  return { bytes, create: create as ElementKind['create'], least, most };
}

/** The bytes of an array, little-endian as the machine writes them; a view. */
export function bytesOfArray({ buffer, byteOffset, byteLength }: TensorArray): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

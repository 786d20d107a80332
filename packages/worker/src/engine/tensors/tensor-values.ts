/**
 * Tensors from their JSON form `{type, dims, data}`; `tensor-json.ts` writes it.
 *
 * `data` is a list of row-major values, or base64 of the little-endian bytes. 64-bit integers are
 * numbers where those are exact, else decimal strings.
 */
import type { NumberType, TensorType, TensorValue } from '@llmos/base';
import { ELEMENT_KINDS, LlmosError, quoteShort, toFloat16Bits } from '@llmos/base';
import type { HostTensor, TensorElements } from '../../ports/model-runner';
import { ENGINE_LIMITS } from '../limits';

/** An all-zero (or all-empty) tensor. */
export function zeroTensor(type: TensorType, dims: readonly number[]): HostTensor {
  const count = elementCount(dims);
  const elements =
    type === 'string' ? Array<string>(count).fill('') : ELEMENT_KINDS[type].create(count);
  return { kind: 'host', type, dims, elements };
}

/** Throws INVALID_ARGUMENT where a tensor of these dims is too large to handle. */
export function elementCount(dims: readonly number[], name = 'tensor'): number {
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (count <= ENGINE_LIMITS.maxTensorElements) return count;
  const most = ENGINE_LIMITS.maxTensorElements;
  throw invalid(`${name} has dims [${dims.join(', ')}]: more than ${most} elements`);
}

/** Reads a tensor; throws INVALID_ARGUMENT that names the tensor and the offending value. */
export function parseTensor(name: string, value: TensorValue): HostTensor {
  const { type, dims, data } = value;
  const count = elementCount(dims, name);
  const elements =
    typeof data === 'string' ? parseBase64(name, type, data) : parseValues(name, type, data);
  if (elements.length !== count) {
    throw invalid(
      `${name} has dims [${dims.join(', ')}], so ${count} elements, but data has ${elements.length}`,
    );
  }
  return { kind: 'host', type, dims, elements };
}

function parseBase64(name: string, type: TensorType, text: string): TensorElements {
  if (type === 'string') throw invalid(`${name} is a string tensor: data must be a list of texts`);
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw invalid(`${name} data is not base64: ${quoteShort(text)}`);
  }
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  const kind = ELEMENT_KINDS[type];
  if (bytes.byteLength % kind.bytes !== 0) {
    throw invalid(`${name} data has ${bytes.byteLength} bytes: not a multiple of ${kind.bytes}`);
  }
  const elements = kind.create(bytes.buffer);
  if (type === 'bool' && bytes.some((byte) => byte > 1)) {
    throw invalid(`${name} data holds a byte other than 0 and 1, which a bool can't be`);
  }
  return elements;
}

function parseValues(
  name: string,
  type: TensorType,
  data: readonly (number | string | boolean)[],
): TensorElements {
  const refuse = (index: number, value: unknown): never => {
    throw invalid(`${name} data[${index}] is ${quoteShort(value)}, which ${type} can't hold`);
  };
  if (type === 'string') {
    return data.map((value, index) => (typeof value === 'string' ? value : refuse(index, value)));
  }
  const elements = ELEMENT_KINDS[type].create(data.length);
  const read = readerOf(type);
  for (let index = 0; index < data.length; index += 1) {
    const value = read(data[index]);
    if (value === undefined) refuse(index, data[index]);
    (elements as { [index: number]: number | bigint | undefined })[index] = value;
  }
  return elements;
}

type ElementReader = (value: unknown) => number | bigint | undefined;

/** Reads one value of a list, or answers undefined where the type can't hold it. */
function readerOf(type: NumberType): ElementReader {
  const { least, most } = ELEMENT_KINDS[type];
  switch (type) {
    case 'bool':
      return (value) =>
        typeof value === 'boolean' ? Number(value) : value === 0 || value === 1 ? value : undefined;
    case 'float64':
      return finite;
    case 'float32':
      return (value) => (Number.isFinite(Math.fround(Number(value))) ? finite(value) : undefined);
    case 'float16':
      return (value) => {
        const number = finite(value);
        if (number === undefined || Math.abs(number) >= 65520) return undefined;
        return toFloat16Bits(number);
      };
    case 'int64':
    case 'uint64':
      return (value) => {
        const number = wideInteger(value);
        return number !== undefined && number >= least! && number <= most! ? number : undefined;
      };
    default:
      return (value) =>
        Number.isInteger(value) && (value as number) >= least! && (value as number) <= most!
          ? (value as number)
          : undefined;
  }
}

function finite(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function wideInteger(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  return typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? BigInt(value) : undefined;
}

function invalid(message: string): LlmosError {
  return new LlmosError('INVALID_ARGUMENT', message);
}

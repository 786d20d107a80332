import { fromFloat16Bits, toFloat16Bits } from '@llmos/base';
import type { TensorType, TensorValue } from '@llmos/base';
import { readTensor, tensor } from './tensor';
import type { TensorSource } from './tensor';

it.each<[TensorType, TensorSource]>([
  ['float32', [0.5, -1, Infinity]],
  ['float64', [0.1, -1e300, 3]],
  ['float16', [0.5, -2, 65504]],
  ['int8', [-128, 0, 127]],
  ['uint8', [0, 1, 255]],
  ['int16', [-32768, 1, 2]],
  ['uint16', [1, 2, 65535]],
  ['int32', [-1, 0, 2147483647]],
  ['uint32', [0, 1, 4294967295]],
  ['int64', [-1n, 0n, 9007199254740993n]],
  ['uint64', [0n, 1n, 18446744073709551615n]],
  ['string', ['a', '', 'ü']],
])('reads back a tensor of %s as it was', (type, data) => {
  const value = tensor(type, [3], data);
  expect(Array.from(readTensor(value) as ArrayLike<unknown>)).toEqual(Array.from(data));
});

it('keeps NaN, which JSON has no number for', () => {
  const [value] = readTensor(tensor('float32', [1], [Number.NaN]));
  expect(value).toBeNaN();
});

it('writes the bytes of a view, not of the buffer below it', () => {
  const view = new Float32Array([1, 2, 3, 4]).subarray(1, 3);
  expect(Array.from(readTensor(tensor('float32', [2], view)) as Float32Array)).toEqual([2, 3]);
});

it('converts a typed array of another type', () => {
  const value = tensor('int64', [2], new Int32Array([7, -8]));
  expect(Array.from(readTensor(value) as BigInt64Array)).toEqual([7n, -8n]);
});

it('writes booleans as 0 and 1', () => {
  expect(Array.from(readTensor(tensor('bool', [2], [true, false])) as Uint8Array)).toEqual([1, 0]);
});

it('reads lists of numbers and of decimal strings', () => {
  const value = { type: 'int64', dims: [2], data: [1, '9007199254740993'] } as const;
  expect(Array.from(readTensor(value) as BigInt64Array)).toEqual([1n, 9007199254740993n]);
});

it('refuses dims that do not agree with the data, naming both', () => {
  expect(() => tensor('float32', [2, 2], [1])).toThrow('dims [2, 2] hold 4 values, but data has 1');
  expect(() => readTensor({ type: 'float32', dims: [1], data: 'AAA=' })).toThrow('2 bytes');
});

it('refuses a value that is no number', () => {
  expect(() => tensor('int64', [1], [0.5])).toThrow('"0.5"');
  expect(() => tensor('float32', [1], ['x'])).toThrow('"x"');
});

it('refuses an integer that its type can’t hold, instead of cutting or wrapping it', () => {
  expect(() => tensor('int8', [1], [300])).toThrow('tensor value "300" is no int8');
  expect(() => tensor('int32', [1], [1.5])).toThrow('tensor value "1.5" is no int32');
  expect(() => tensor('uint8', [1], new Int32Array([-1]))).toThrow('"-1" is no uint8');
  expect(() => tensor('uint64', [1], [-1n])).toThrow('"-1" is no uint64');
  expect(() => tensor('int64', [1], [2n ** 63n])).toThrow('is no int64');
});

it('refuses dims, data and types of another kind, naming them', () => {
  const make = tensor as (type: string, dims: unknown, data: unknown) => unknown;
  expect(() => make('float32', undefined, [1])).toThrow('dims undefined are no list');
  expect(() => make('float32', [-1, -1], [1])).toThrow('dims [-1,-1] are no list');
  expect(() => make('float32', [1], undefined)).toThrow('data undefined is neither');
  expect(() => make('float32', [1], [null])).toThrow('data [null] is neither');
  expect(() => make('toString', [1], [1])).toThrow('type "toString" is no tensor type');
});

it('rounds to half precision, ties to even', () => {
  const cases: readonly (readonly [number, number])[] = [
    [1, 0x3c00],
    [-0, 0x8000],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [65520, 0x7c00],
    [2 ** -24, 1],
    [2 ** -25, 0],
    [2 ** -14 - 2 ** -25, 0x400],
  ];
  for (const [value, half] of cases) expect(toFloat16Bits(value)).toBe(half);
  for (let half = 0; half < 0x7c00; half += 1) {
    expect(toFloat16Bits(fromFloat16Bits(half))).toBe(half);
  }
});

it('refuses what is no tensor, naming the value', () => {
  const refusals: [unknown, RegExp][] = [
    [null, /null is no tensor/],
    [{ type: 'float', dims: [1], data: [1] }, /type "float" is no tensor type/],
    [{ type: 'toString', dims: [1], data: [1] }, /type "toString"/],
    [{ type: 'int8', dims: 'x', data: [1] }, /dims "x" are no list of integers/],
    [{ type: 'int8', dims: [1], data: null }, /data null is neither/],
    [{ type: 'int8', dims: [1], data: [{}] }, /data \[\{\}\] is neither/],
  ];
  for (const [value, message] of refusals) {
    expect(() => readTensor(value as TensorValue)).toThrow(message);
  }
});

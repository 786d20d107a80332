import type { InferOutput, TensorType, TensorValue } from '@llmos/base';
import { TENSOR_TYPES, bytesOfArray } from '@llmos/base';
import type { HostTensor } from '../../ports/model-runner';
import { encodeTensorsJson } from './tensor-json';
import { parseTensor, zeroTensor } from './tensor-values';

function value(type: TensorType, dims: number[], data: TensorValue['data']): TensorValue {
  return { type, dims, data };
}

function written(tensor: HostTensor): unknown {
  const json = encodeTensorsJson(new Map([['y', tensor]]), { format: 'json', maxBytes: 1e6 });
  const { output } = JSON.parse(Buffer.from(json).toString()) as { output: InferOutput };
  return output.outputs['y'];
}

function thrown(input: TensorValue): string {
  try {
    parseTensor('input "x"', input);
  } catch (error) {
    return (error as Error).message;
  }
  return 'nothing was thrown';
}

describe('tensors as JSON', () => {
  it.each<[TensorType, TensorValue['data']]>([
    ['float32', [0, -1.5, 3]],
    ['float64', [0.1, 1e300, -5]],
    ['float16', [0, 65504, -0.5]],
    ['int8', [-128, 127, 0]],
    ['uint8', [0, 255, 1]],
    ['int16', [-32768, 32767, 0]],
    ['uint16', [0, 65535, 2]],
    ['int32', [-2147483648, 2147483647, 0]],
    ['uint32', [0, 4294967295, 3]],
    ['int64', ['-9223372036854775808', '9223372036854775807', 42]],
    ['uint64', [0, '18446744073709551615', 9007199254740991]],
    ['bool', [true, false, true]],
    ['string', ['', 'a', '日本']],
  ])('reads and writes %s', (type, data) => {
    const tensor = parseTensor('x', value(type, [3], data));
    expect(written(tensor)).toEqual({ type, dims: [3], data });
    if (type === 'string' || !('buffer' in tensor.elements)) return;
    const base64 = Buffer.from(bytesOfArray(tensor.elements)).toString('base64');
    expect(written(parseTensor('x', value(type, [3], base64)))).toEqual({
      type,
      dims: [3],
      data,
    });
  });

  it.each<[string, TensorValue, RegExp]>([
    ['a wrong count', value('float32', [2, 2], [1, 2, 3]), /\[2, 2\], so 4 elements.* has 3/],
    ['a fraction as integer', value('int32', [1], [1.5]), /data\[0\] is 1\.5.*int32/],
    ['an integer out of range', value('uint8', [2], [1, 256]), /data\[1\] is 256.*uint8/],
    ['a 64-bit overflow', value('int64', [1], ['9223372036854775808']), /data\[0\].*int64/],
    ['an unsafe number', value('int64', [1], [2 ** 53]), /data\[0\].*int64/],
    ['words as numbers', value('float32', [1], ['1e3']), /data\[0\].*float32/],
    ['null', value('float32', [1], [null as unknown as number]), /data\[0\] is null/],
    ['a float32 overflow', value('float32', [1], [1e39]), /float32/],
    ['a float16 overflow', value('float16', [1], [65520]), /float16/],
    ['a number as string', value('string', [1], [1]), /string/],
    ['base64 strings', value('string', [1], 'YQ=='), /list of texts/],
    ['no base64', value('float32', [1], 'a*b='), /not base64/],
    ['half an element', value('float32', [1], 'AAAA'), /3 bytes/],
    ['a bool of 2', value('bool', [1], 'Ag=='), /0 and 1/],
    ['overflowing dims', value('float32', [2 ** 20, 2 ** 20], []), /more than/],
    ['dims beyond numbers', value('float32', [2 ** 52, 2 ** 52, 2 ** 52], []), /more than/],
  ])('refuses %s, naming it', (_, input, message) => {
    expect(thrown(input)).toMatch(message);
    expect(thrown(input)).toContain('input "x"');
  });

  it('makes zeros of every type, also of no element', () => {
    for (const type of TENSOR_TYPES) {
      expect(zeroTensor(type, [2, 3]).elements).toHaveLength(6);
      expect(zeroTensor(type, [2, 0]).elements).toHaveLength(0);
      expect(zeroTensor(type, []).elements).toHaveLength(1);
    }
  });
});

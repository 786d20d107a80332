import type { InferOutput } from '@llmos/base';
import { encodeJson, success } from '@llmos/base';
import type { HostTensor } from '../../ports/model-runner';
import { encodeTensorsJson } from './tensor-json';
import { parseTensor } from './tensor-values';

const room = (maxBytes: number) => ({ format: 'json', maxBytes }) as const;

function floats(values: readonly number[]): HostTensor {
  const elements = Float32Array.from(values);
  return { kind: 'host', type: 'float32', dims: [values.length], elements };
}

describe('tensors written as JSON', () => {
  it('are what one text of the whole would be, over the borders of its pieces', () => {
    const values = Array.from({ length: 20_000 }, (_, index) =>
      Math.fround(Math.sin(index) * 1e22),
    );
    values.push(-0, 1e-30, 5e-324, 123456789);
    const tensor = floats(values);
    const labels = { kind: 'host', type: 'string', dims: [2], elements: ['"', '日本'] } as const;
    const mask = { kind: 'host', type: 'bool', dims: [2], elements: Uint8Array.of(1, 0) } as const;
    const written = encodeTensorsJson(
      new Map<string, HostTensor>([
        ['a "y"', tensor],
        ['labels', labels],
        ['mask', mask],
      ]),
      room(1e6),
    );
    const data = Array.from(tensor.elements as Float32Array);
    const outputs = {
      'a "y"': { type: 'float32', dims: tensor.dims, data },
      labels: { type: 'string', dims: [2], data: labels.elements },
      mask: { type: 'bool', dims: [2], data: [true, false] },
    };
    const whole = encodeJson(success({ outputs }));
    expect(Buffer.from(written).equals(whole)).toBe(true);
  });

  it('go out in base64 where they hold what JSON has no number for', () => {
    const tensor = floats([1, ...new Array<number>(10_000).fill(2), Number.NaN]);
    const written = encodeTensorsJson(new Map([['y', tensor]]), room(1e6));
    const { output } = JSON.parse(Buffer.from(written).toString()) as { output: InferOutput };
    const value = output.outputs['y'];
    expect(typeof value?.data).toBe('string');
    expect(value && parseTensor('y', value).elements).toEqual(tensor.elements);
  });

  it('are written no further than the limit, whatever they hold', () => {
    const elements = new BigInt64Array(64 * 1024 * 1024).fill(-1_234_567_890_123_456_789n);
    const tensor = { kind: 'host', type: 'int64', dims: [elements.length], elements } as const;
    const before = process.memoryUsage().heapUsed;
    const write = () => encodeTensorsJson(new Map([['y', tensor]]), room(1e6));
    expect(write).toThrow(
      expect.objectContaining({
        code: 'RESOURCE_EXHAUSTED',
        retryable: false,
        message: expect.stringMatching(/y is int64 \[67108864\].*in protobuf/) as string,
      }) as Error,
    );
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
  });
});

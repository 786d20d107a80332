import type { GenerateInput, GenerateOutput, TensorValue } from '@llmos/base';
import { functions } from '@llmos/proto';
import { valueAnswer } from '../../engine/engine';
import { decodeProtobufBody, encodeProtobufResult } from './function-codec';

const { TaskResult } = functions;

function decodeGenerate(input: Partial<functions.GenerateInput>): unknown {
  const message = functions.GenerateInput.create(input);
  return decodeProtobufBody('generate', functions.GenerateInput.encode(message).finish());
}

describe('protobuf bodies', () => {
  it('reads inputs in the shape of their JSON namesakes', () => {
    const embed = functions.EmbedInput.encode({ model: 'm', text: 'a', texts: [] }).finish();
    expect(decodeProtobufBody('embed', embed)).toEqual({ model: 'm', text: 'a' });
    const few = { prompt: 'p', maxTokens: 0, temperature: 0, stop: ['x'] };
    expect(decodeGenerate(few)).toEqual(few);
    const every: Required<Omit<GenerateInput, 'messages'>> = {
      model: 'm',
      prompt: '',
      maxTokens: 7,
      minTokens: 0,
      temperature: 0.5,
      topK: 40,
      topP: 0.9,
      minP: 0.05,
      repetitionPenalty: 1.1,
      presencePenalty: -2,
      frequencyPenalty: 2,
      logitBias: { '0': -100, '4294967295': 1.5 },
      seed: 4294967295,
      stop: ['a', 'b'],
      stopTokens: [0, 9],
      topLogprobs: 0,
      n: 2,
    };
    expect(decodeGenerate(every as functions.GenerateInput)).toEqual(every);
  });

  it('reads tensors of bytes and of texts', () => {
    const data = Buffer.from(Float32Array.of(1, 2).buffer);
    const body = functions.InferInput.encode({
      inputs: {
        x: { type: 'float32', dims: [2], data, strings: [] },
        s: { type: 'string', dims: [1], data: Buffer.alloc(0), strings: ['t'] },
      },
      key: 'k',
      outputs: [],
    }).finish();
    const { inputs, key } = decodeProtobufBody('infer', body) as {
      inputs: Record<string, TensorValue>;
      key: string;
    };
    expect(key).toBe('k');
    expect(inputs['x']).toEqual({ type: 'float32', dims: [2], data: data.toString('base64') });
    expect(inputs['s']).toEqual({ type: 'string', dims: [1], data: ['t'] });
  });

  it('refuses bytes that are no message, by a typed error', () => {
    for (const bytes of [[0xff], [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], [0x0f]]) {
      expect(() => decodeProtobufBody('embed', Uint8Array.from(bytes))).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error,
      );
    }
    expect(() => decodeProtobufBody('constructor', Uint8Array.of())).toThrow(/takes no protobuf/);
  });

  it('writes results, one list per text', () => {
    const label = { label: 'a', score: 0.5 };
    const read = (name: string, value: unknown) =>
      TaskResult.decode(encodeProtobufResult(name, valueAnswer(value))).result;
    expect(read('classify', { labels: [label] })).toEqual({
      $case: 'classify',
      value: { texts: [{ labels: [label] }] },
    });
    expect(read('classify', { labels: [[label], [label, label]] })).toMatchObject({
      value: { texts: [{ labels: [label] }, { labels: [label, label] }] },
    });
    expect(read('extract', { entities: [] })).toMatchObject({
      value: { texts: [{ entities: [] }] },
    });
    expect(read('extract', { entities: [[], []] })).toMatchObject({
      value: { texts: [{ entities: [] }, { entities: [] }] },
    });
    expect(read('embed', { embeddings: [[0.5, 0.25]] })).toMatchObject({
      value: { embeddings: [{ values: [0.5, 0.25] }] },
    });
    expect(read('echo', { any: ['thing'] })).toMatchObject({
      value: { value: { any: ['thing'] } },
    });
  });

  it('writes generations with their log-probabilities and samples', () => {
    const top = [{ token: 1, text: 'a', logprob: -0.25 }];
    const sample = {
      text: 'a',
      tokens: [1],
      finishReason: 'stop',
      logprobs: [{ token: 1, text: 'a', logprob: -0.25, top }],
    } as const;
    const read = (output: GenerateOutput) =>
      TaskResult.decode(encodeProtobufResult('generate', valueAnswer(output))).result?.value;
    const output = { ...sample, promptTokens: 3, samples: [sample, { ...sample, tokens: [2, 3] }] };
    expect(read(output)).toEqual(output);
    const plain = { text: 'a', tokens: [1], finishReason: 'length', promptTokens: 3 } as const;
    expect(read(plain)).toEqual({ ...plain, logprobs: [], samples: [] });
  });

  it('writes what the model read and made beside the output', () => {
    const read = (name: string, value: unknown) =>
      TaskResult.decode(encodeProtobufResult(name, valueAnswer(value))).usage;
    const usage = { inputTokens: 7 };
    const written = { inputTokens: 7, cachedTokens: 0, outputTokens: 0 };
    expect(read('embed', { embeddings: [[1]], usage })).toEqual(written);
    expect(read('classify', { labels: [], usage })).toEqual(written);
    expect(read('extract', { entities: [], usage })).toEqual(written);
    expect(read('extract', { entities: [] })).toBeUndefined();
    const made = { inputTokens: 7, cachedTokens: 4, outputTokens: 2 };
    const plain = { text: '', tokens: [], finishReason: 'stop', promptTokens: 7, usage: made };
    expect(read('generate', plain)).toEqual(made);
    expect(read('echo', { usage: 'the caller’s own' })).toBeUndefined();
  });

  it('writes errors with their details, and tensors as bytes', () => {
    const error = {
      code: 'RESOURCE_EXHAUSTED' as const,
      retryable: true,
      message: 'm',
      details: { retryAfterMs: 5 },
    };
    const failed = TaskResult.decode(encodeProtobufResult('embed', { kind: 'failed', error }));
    expect(failed.result).toEqual({ $case: 'error', value: error });
    const elements = Float32Array.of(0, 1, 2).subarray(1);
    const tensor = { kind: 'host' as const, type: 'float32' as const, dims: [2], elements };
    const tensors = new Map([['y', tensor]]);
    const done = { kind: 'done' as const, output: { kind: 'tensors' as const, tensors } };
    const { result } = TaskResult.decode(encodeProtobufResult('infer', done));
    expect(result?.$case === 'infer' && result.value.outputs['y']).toMatchObject({
      type: 'float32',
      dims: [2],
      data: Buffer.from(Float32Array.of(1, 2).buffer),
    });
  });
});

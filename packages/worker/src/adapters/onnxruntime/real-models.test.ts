/** Engine tensor on real models that do not ship: images, audio with state, odd decoders. */
import { fromFloat16Bits, toFloat16Bits } from '@llmos/base';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import type { GenerateOutput, InferOutput, TensorValue } from '@llmos/base';
import { bytesOf } from '../../engine/tensor-values';
import { DrivenThread } from '../../testing/driven-thread';
import { itWithShared } from '../../testing/model-folders';

jest.setTimeout(180_000);

const cleanups: (() => void)[] = [];
afterEach(() => cleanups.splice(0).forEach((cleanup) => cleanup()));

async function open(...args: Parameters<typeof DrivenThread.load>): Promise<DrivenThread> {
  const thread = await DrivenThread.load(...args);
  cleanups.push(() => thread.stop());
  return thread;
}

function base64(elements: Float32Array | Uint16Array | BigInt64Array): string {
  return Buffer.from(bytesOf(elements)).toString('base64');
}

function numbers(tensor: TensorValue | undefined): number[] {
  if (tensor === undefined || typeof tensor.data === 'string') throw new Error('no numbers');
  return tensor.data as number[];
}

function argmax(values: readonly number[]): number {
  return values.reduce(
    (best, value, index) => (value > (values[best] ?? -Infinity) ? index : best),
    0,
  );
}

interface Picture {
  readonly width: number;
  readonly height: number;
  /** RGBA. */
  readonly data: Uint8Array;
}

function readPicture(file: string): Picture {
  const bytes = readFileSync(file);
  return file.endsWith('.png') ? PNG.sync.read(bytes) : jpeg.decode(bytes, { useTArray: true });
}

/** 224 × 224, planes of blue, green and red, by averaging the pixels under each new one. */
function toBgrPlanes(picture: Picture): Uint16Array {
  const size = 224;
  const planes = new Uint16Array(3 * size * size);
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      for (let plane = 0; plane < 3; plane += 1) {
        const value = meanOf(picture, { x, y, size, channel: 2 - plane });
        planes[plane * size * size + y * size + x] = toFloat16Bits(value);
      }
    }
  }
  return planes;
}

function meanOf(
  picture: Picture,
  at: { x: number; y: number; size: number; channel: number },
): number {
  const { width, height, data } = picture;
  const from = (place: number, length: number): number => Math.floor((place * length) / at.size);
  let sum = 0;
  let count = 0;
  for (
    let y = from(at.y, height);
    y < Math.max(from(at.y, height) + 1, from(at.y + 1, height));
    y += 1
  ) {
    for (
      let x = from(at.x, width);
      x < Math.max(from(at.x, width) + 1, from(at.x + 1, width));
      x += 1
    ) {
      sum += data[(y * width + x) * 4 + at.channel] ?? 0;
      count += 1;
    }
  }
  return sum / count;
}

describe('models beside the checkout', () => {
  itWithShared('squeezenet (fp16) names the five animals', 'squeezenet1.1-fp16', async (folder) => {
    const labels = readFileSync(join(folder, 'Labels.txt'), 'utf8').split('\n');
    const thread = await open(folder);
    const expected = {
      'kitten_224.png': /tabby/,
      'dog.jpg': /golden retriever/,
      'hummingbird.jpg': /hummingbird/,
      'cat.jpg': /Egyptian cat|tabby|tiger cat/,
      'fish.png': /tench/,
    };
    for (const [file, name] of Object.entries(expected)) {
      const planes = toBgrPlanes(readPicture(join(folder, 'images', file)));
      const { outputs } = await thread.ask<InferOutput>('infer', {
        inputs: { data_0: { type: 'float16', dims: [1, 3, 224, 224], data: base64(planes) } },
      });
      const scores = numbers(outputs['softmaxout_1']);
      expect(scores).toHaveLength(1000);
      expect([file, labels[argmax(scores)]]).toEqual([file, expect.stringMatching(name)]);
    }
  });

  itWithShared('mnist reads an 8', 'mnist', async (folder) => {
    const picture = readPicture(join(folder, 'mnist_28.png'));
    const grey = Array.from({ length: 28 * 28 }, (_, index) => picture.data[index * 4] ?? 0);
    const thread = await open(folder);
    const { outputs } = await thread.ask<InferOutput>('infer', {
      inputs: { Input3: { type: 'float32', dims: [1, 1, 28, 28], data: grey } },
    });
    expect(argmax(numbers(outputs['Plus214_Output_0']))).toBe(8);
  });

  itWithShared('silero-vad hears speech, its state kept by key', 'silero-vad', async (folder) => {
    const own = mkdtempSync(join(tmpdir(), 'llmos-vad-'));
    cleanups.push(() => rmSync(own, { recursive: true, force: true }));
    cpSync(join(folder, 'silero_vad.onnx'), join(own, 'silero_vad.onnx'));
    cpSync(join(folder, 'silero_vad_16k_op15.onnx'), join(own, 'silero_vad_16k_op15.onnx'));
    writeFileSync(join(own, 'llmos.json'), JSON.stringify({ graph: 'silero_vad.onnx' }));
    const thread = await open(own);
    const samples = readWav(join(folder, 'test.wav'));
    const input = new Float32Array(576);
    const results: number[] = [];
    for (let at = 0; at + 512 <= samples.length; at += 512) {
      input.copyWithin(0, 512);
      input.set(samples.subarray(at, at + 512), 64);
      const { outputs } = await thread.ask<InferOutput>('infer', {
        key: 'microphone-1',
        inputs: {
          input: { type: 'float32', dims: [1, 576], data: base64(input) },
          sr: { type: 'int64', dims: [], data: [16000] },
        },
      });
      expect(Object.keys(outputs)).toEqual(['output']);
      results.push(numbers(outputs['output'])[0] ?? Number.NaN);
    }
    expect(results).toHaveLength(1875);
    expect(results.filter((score) => score > 0.5)).toHaveLength(1452);
  });

  itWithShared(
    'tiny-random-gpt2: a step with cache equals reading it all again',
    'tiny-random-gpt2',
    async (folder) => {
      const thread = await open(folder);
      const ids = [11, 250, 3, 77, 512, 640];
      const whole = await thread.ask<InferOutput>('infer', gpt2Inputs(ids, 0));
      const first = await thread.ask<InferOutput>('infer', gpt2Inputs(ids.slice(0, 5), 0));
      const past = Object.fromEntries(
        [0, 1, 2, 3, 4].map((layer) => [`past_${layer}`, first.outputs[`present_${layer}`]]),
      );
      const step = gpt2Inputs(ids.slice(5), 5);
      const next = await thread.ask<InferOutput>('infer', { inputs: { ...step.inputs, ...past } });
      const expected = numbers(whole.outputs['logits']).slice(-1000);
      numbers(next.outputs['logits']).forEach((logit, index) => {
        expect(Math.abs(logit - (expected[index] ?? Number.NaN))).toBeLessThan(1e-6);
      });
      // The engine's own loop on the same graph, as greedy as the definition.
      const generated = await thread.ask<GenerateOutput>('generate', {
        prompt: 'a',
        maxTokens: 3,
        temperature: 0,
      });
      const tokens = [64];
      for (let count = 0; count < 3; count += 1) {
        const { outputs } = await thread.ask<InferOutput>('infer', gpt2Inputs(tokens, 0));
        tokens.push(argmax(numbers(outputs['logits']).slice(-1000)));
      }
      expect(generated.tokens).toEqual(tokens.slice(1));
    },
  );

  itWithShared(
    'tiny-random-llama (fp16, external data) generates',
    'tiny-random-llama-fp16',
    async (folder) => {
      const thread = await open(folder);
      const generated = await thread.ask<GenerateOutput>('generate', {
        prompt: 'Hello',
        maxTokens: 4,
        temperature: 0,
      });
      expect(generated.tokens).toHaveLength(4);
      const chat = await thread.ask<GenerateOutput>('generate', {
        messages: [{ role: 'user', content: 'Hello' }],
        maxTokens: 1,
        temperature: 0,
      });
      expect(chat.promptTokens).toBeGreaterThan(generated.promptTokens);
      const { outputs } = await thread.ask<InferOutput>('infer', {
        outputs: ['logits'],
        inputs: {
          input_ids: { type: 'int64', dims: [1, 2], data: [1, '15043'] },
          attention_mask: { type: 'int64', dims: [1, 2], data: [1, 1] },
          position_ids: { type: 'int64', dims: [1, 2], data: [0, 1] },
          ...Object.fromEntries(
            ['0.key', '0.value', '1.key', '1.value'].map((name) => [
              `past_key_values.${name}`,
              { type: 'float16', dims: [1, 1, 0, 16], data: [] },
            ]),
          ),
        },
      });
      const logits = numbers(outputs['logits']);
      expect(logits).toHaveLength(2 * 32000);
      expect(logits.every(Number.isFinite)).toBe(true);
      expect(logits.every((logit) => fromFloat16Bits(toFloat16Bits(logit)) === logit)).toBe(true);
    },
  );
});

function gpt2Inputs(ids: readonly number[], past: number) {
  const int32 = (dims: number[], data: number[]) => ({ type: 'int32', dims, data });
  return {
    inputs: {
      input_ids: int32([1, ids.length], [...ids]),
      position_ids: int32(
        [1, ids.length],
        ids.map((_, index) => past + index),
      ),
      attention_mask: int32([1, past + ids.length], new Array<number>(past + ids.length).fill(1)),
      ...Object.fromEntries(
        [0, 1, 2, 3, 4].map((layer) => [
          `past_${layer}`,
          { type: 'float32', dims: [2, 1, 4, 0, 8], data: [] as number[] },
        ]),
      ),
    },
  };
}

/** 16-bit mono PCM behind a header of chunks. */
function readWav(file: string): Float32Array {
  const bytes = readFileSync(file);
  let at = 12;
  while (bytes.toString('latin1', at, at + 4) !== 'data') at += 8 + bytes.readUInt32LE(at + 4);
  const count = bytes.readUInt32LE(at + 4) / 2;
  return Float32Array.from(
    { length: count },
    (_, index) => bytes.readInt16LE(at + 8 + 2 * index) / 32768,
  );
}

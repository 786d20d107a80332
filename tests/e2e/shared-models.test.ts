/**
 * Models that do not ship, from the optional folder beside the checkout, through the SDK: each
 * gives the outputs that its own page promises. Skips, saying so, where the folder is absent.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readTensor, tensor } from '@llmos/sdk';
import type { TensorValue } from '@llmos/sdk';
import { dot, readGolden } from '../support/golden';
import { readPicture, readWav, toBgrPlanes } from '../support/pictures';
import { describeWithShared } from '../support/shared-folder';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';

function numbers(value: TensorValue | undefined): number[] {
  if (value === undefined) throw new Error('the output is missing');
  return Array.from(readTensor(value) as ArrayLike<number>, Number);
}

function argmax(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}

describeWithShared('models beside the checkout, through the SDK', 'models', (models) => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await startTestSystem({ workerEnv: { LLMOS_DEVICE: 'cpu' } });
  });
  afterAll(() => system?.stop());

  it('all-MiniLM-L6-v2 gives its golden similarities', async () => {
    const folder = join(models, 'all-MiniLM-L6-v2');
    await system.addModel('all-MiniLM-L6-v2', folder);
    const golden = readGolden<{
      readonly texts: readonly string[];
      readonly cosine: readonly (readonly number[])[];
      readonly embedding_first8: readonly (readonly number[])[];
    }>(folder);
    const { embeddings } = await system.os.embed({
      model: 'all-MiniLM-L6-v2',
      texts: golden.texts,
    });
    golden.texts.forEach((_, row) => {
      golden.embedding_first8[row]?.forEach((value, column) => {
        expect(embeddings[row]?.[column]).toBeCloseTo(value, 3);
      });
      golden.cosine[row]?.forEach((value, column) => {
        expect(dot(embeddings[row] ?? [], embeddings[column] ?? [])).toBeCloseTo(value, 3);
      });
    });
  });

  it('stories260K tells its golden story', async () => {
    await system.addModel('stories260K', join(models, 'stories260K'));
    const prompt = 'Once upon a time';
    const output = await system.os.generate({
      model: 'stories260K',
      prompt,
      maxTokens: 60,
      temperature: 0,
    });
    expect(prompt + output.text).toMatch(
      /^Once upon a time, there was a little girl named Lily\. She loved to play outside in the park\./,
    );
  });

  it('tiny-random-llama (fp16, weights in a file of their own) loads and generates', async () => {
    const folder = join(models, 'tiny-random-llama-fp16');
    const { files } = await system.addModel('tiny-random-llama-fp16', folder);
    expect(files.map((file) => file.path)).toContain('model.onnx.data');
    const output = await system.os.generate({
      model: 'tiny-random-llama-fp16',
      prompt: 'Hello',
      maxTokens: 4,
      temperature: 0,
    });
    expect(output.tokens).toHaveLength(4);
  });

  it('squeezenet (fp16) names the animals', async () => {
    const folder = join(models, 'squeezenet1.1-fp16');
    await system.addModel('squeezenet1.1-fp16', folder);
    const labels = readFileSync(join(folder, 'Labels.txt'), 'utf8').split('\n');
    const expected = {
      'kitten_224.png': /tabby/,
      'dog.jpg': /golden retriever/,
      'hummingbird.jpg': /hummingbird/,
      'cat.jpg': /Egyptian cat|tabby|tiger cat/,
      'fish.png': /tench/,
    };
    for (const [file, name] of Object.entries(expected)) {
      const planes = toBgrPlanes(readPicture(join(folder, 'images', file)));
      const { outputs } = await system.os.infer({
        model: 'squeezenet1.1-fp16',
        inputs: { data_0: tensor('float16', [1, 3, 224, 224], planes) },
      });
      expect([file, labels[argmax(numbers(outputs['softmaxout_1']))]]).toEqual([
        file,
        expect.stringMatching(name),
      ]);
    }
  });

  it('mnist (opset 8, odd tensor names) reads an 8', async () => {
    const folder = join(models, 'mnist');
    await system.addModel('mnist', folder);
    const picture = readPicture(join(folder, 'mnist_28.png'));
    const grey = Array.from({ length: 28 * 28 }, (_, index) => picture.data[index * 4] ?? 0);
    const { outputs } = await system.os.infer({
      model: 'mnist',
      inputs: { Input3: tensor('float32', [1, 1, 28, 28], grey) },
    });
    expect(argmax(numbers(outputs['Plus214_Output_0']))).toBe(8);
  });

  it('silero-vad hears speech through a recording, its state kept by key', async () => {
    const folder = join(models, 'silero-vad');
    const own = mkdtempSync(join(tmpdir(), 'llmos-vad-'));
    for (const name of ['silero_vad.onnx', 'silero_vad_16k_op15.onnx']) {
      cpSync(join(folder, name), join(own, name));
    }
    writeFileSync(join(own, 'llmos.json'), JSON.stringify({ graph: 'silero_vad.onnx' }));
    await system.addModel('silero-vad', own);
    rmSync(own, { recursive: true, force: true });
    const samples = readWav(join(folder, 'test.wav'));
    const window = new Float32Array(576);
    const scores: number[] = [];
    for (let at = 0; at + 512 <= samples.length; at += 512) {
      window.copyWithin(0, 512);
      window.set(samples.subarray(at, at + 512), 64);
      const { outputs } = await system.os.infer(
        {
          model: 'silero-vad',
          inputs: {
            input: tensor('float32', [1, 576], window),
            sr: tensor('int64', [], [16_000n]),
          },
        },
        { key: 'microphone-1' },
      );
      expect(Object.keys(outputs)).toEqual(['output']);
      scores.push(numbers(outputs['output'])[0] ?? Number.NaN);
    }
    expect(scores).toHaveLength(1875);
    expect(scores.filter((score) => score > 0.5)).toHaveLength(1452);
  });
});

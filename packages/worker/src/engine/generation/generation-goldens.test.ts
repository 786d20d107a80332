/** Generations of the shipped storyteller side by side: their tokens, and what they cost. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GenerateOutput, Result } from '@llmos/base';
import { parseResult } from '@llmos/base';
import { onnxEnvironment } from '../../adapters/os/onnx-environment';
import { DrivenThread, jsonRequest } from '../../testing/driven-thread';
import { itWithShared, shippedModel } from '../../testing/model-folders';

interface GoldenStory {
  readonly prompt: string;
  readonly greedy_ids: readonly number[];
  readonly greedy_text: string;
}

const threads: DrivenThread[] = [];
async function open(folder: string, generation = {}): Promise<DrivenThread> {
  const thread = await DrivenThread.load(folder, { generation });
  threads.push(thread);
  return thread;
}
afterEach(() => threads.splice(0).forEach((thread) => thread.stop()));

describe('generations side by side', () => {
  it.each([1, 4, 16])('tell the golden stories, %d at once', async (maxRows) => {
    const folder = shippedModel('storyteller');
    const stories = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as GoldenStory[];
    const thread = await open(folder, { maxRows });
    const asked = Array.from({ length: 16 }, (_, index) => stories[index % stories.length]!);
    const { answers } = await thread.run(
      asked.map(({ prompt, greedy_ids }, index) =>
        jsonRequest(index, 'generate', { prompt, maxTokens: greedy_ids.length, temperature: 0 }),
      ),
    );
    expect(answers).toHaveLength(asked.length);
    for (const { requestId, result } of answers) {
      const story = asked[requestId];
      expect(parseResult(result) as Result<GenerateOutput>).toMatchObject({
        output: { tokens: story?.greedy_ids, text: story?.greedy_text },
      });
    }
  });

  itWithShared(
    'tell the golden story of stories260K, 16 at once',
    'stories260K',
    async (folder) => {
      const thread = await open(folder);
      const input = { prompt: 'Once upon a time', maxTokens: 60, temperature: 0 };
      const { answers } = await thread.run(
        Array.from({ length: 16 }, (_, index) => jsonRequest(index, 'generate', input)),
      );
      const start = ', there was a little girl named Lily. She loved to play outside in the park.';
      for (const { result } of answers) {
        const parsed = parseResult(result) as Result<GenerateOutput>;
        expect(parsed.ok && parsed.output.text.slice(0, start.length)).toBe(start);
      }
      expect(answers).toHaveLength(16);
    },
  );

  it('read a prompt once for 32 samples of it', async () => {
    const thread = await open(shippedModel('storyteller'));
    const input = { prompt: 'The fox went to the king and said', maxTokens: 8, temperature: 1 };
    const output = await thread.ask<GenerateOutput>('generate', { ...input, n: 32 });
    expect(output.samples).toHaveLength(32);
    expect(thread.contexts?.prefilledTokens).toBe(output.promptTokens);
  });

  it('let an interactive prompt have its first token within three steps and its prefill', () => {
    const program = join(
      __dirname,
      '..',
      '..',
      '..',
      'dist',
      'testing',
      'interactive-joins-main.js',
    );
    const options = { encoding: 'utf8', env: onnxEnvironment() } as const;
    const { stdout, stderr } = spawnSync(process.execPath, [program], options);
    expect(stderr).toBe('');
    const report = JSON.parse(stdout) as { running: number; steps: number; promptTokens: number };
    expect(report.running).toBe(16);
    expect(report.promptTokens).toBeGreaterThan(200);
    expect(report.steps).toBeGreaterThan(0);
    expect(report.steps).toBeLessThanOrEqual(3 + Math.ceil(report.promptTokens / 256));
  });
});

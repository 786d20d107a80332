/**
 * The GPU path: the same golden outputs on the WebGPU provider, where a Vulkan driver answers. One
 * that computes on the CPU will do, but slowly, so the stories are short.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { ClassifyOutput, EmbedOutput, GenerateOutput, Label } from '@llmos/base';
import { DrivenThread } from './testing/driven-thread';
import { readGolden, shippedModel } from './testing/model-folders';

jest.setTimeout(300_000);

interface Probe {
  readonly providers: readonly string[];
  readonly webgpu: { readonly available: boolean; readonly reason?: string };
  readonly versions: { readonly onnxruntime: string; readonly node: string };
}

function probe(): Probe {
  const program = join(__dirname, '..', 'dist', 'adapters', 'onnxruntime', 'device-probe-main.js');
  const output = execFileSync(process.execPath, [program], {
    encoding: 'utf8',
    timeout: 60_000,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as Probe;
}

const found = probe();
const hasGpu = found.webgpu.available;
const itOnGpu = hasGpu ? it : it.skip;
const note = hasGpu ? '' : ` (skipped: ${found.webgpu.reason ?? 'no Vulkan driver answers'})`;

describe('the device probe', () => {
  it('names the CPU provider and the versions', () => {
    expect(found.providers).toContain('cpu');
    expect(found.providers.includes('webgpu')).toBe(hasGpu);
    expect(found.versions.onnxruntime).toMatch(/^\d+\.\d+\.\d+/);
    expect(found.versions.node).toBe(process.versions.node);
  });
});

describe('golden outputs on WebGPU', () => {
  const threads: DrivenThread[] = [];
  async function open(name: string): Promise<DrivenThread> {
    const thread = await DrivenThread.load(shippedModel(name), { device: 'webgpu:0' });
    threads.push(thread);
    return thread;
  }
  afterEach(() => threads.splice(0).forEach((thread) => thread.stop()));

  itOnGpu(`mini-encoder embeds within 1e-3${note}`, async () => {
    const golden = readGolden<{ items: { text: string; embedding_first8: number[] }[] }>(
      shippedModel('mini-encoder'),
    );
    const thread = await open('mini-encoder');
    const texts = golden.items.map((item) => item.text);
    const { embeddings } = await thread.ask<EmbedOutput>('embed', { texts });
    golden.items.forEach((item, index) =>
      item.embedding_first8.forEach((value, axis) => {
        expect(Math.abs((embeddings[index]?.[axis] ?? 9) - value)).toBeLessThan(1e-3);
      }),
    );
  });

  itOnGpu(`support-intents scores within 1e-3${note}`, async () => {
    const golden = readGolden<{ text: string; top: Label[] }[]>(shippedModel('support-intents'));
    const thread = await open('support-intents');
    const texts = golden.map((item) => item.text);
    const { labels } = await thread.ask<ClassifyOutput>('classify', { texts, topK: 3 });
    golden.forEach((item, index) =>
      item.top.forEach((label, rank) => {
        const own = (labels[index] as Label[])[rank];
        expect(own?.label).toBe(label.label);
        expect(Math.abs((own?.score ?? 9) - label.score)).toBeLessThan(1e-3);
      }),
    );
  });

  itOnGpu(`storyteller gives the same tokens as on the CPU${note}`, async () => {
    const tokens = 12;
    const thread = await open('storyteller');
    type Item = { prompt: string; greedy_ids: number[] };
    for (const item of readGolden<Item[]>(shippedModel('storyteller')).slice(0, 2)) {
      const input = { prompt: item.prompt, maxTokens: tokens, temperature: 0 };
      const output = await thread.ask<GenerateOutput>('generate', input);
      expect(output.tokens).toEqual(item.greedy_ids.slice(0, tokens));
    }
  });
});

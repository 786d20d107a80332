/**
 * The shipped models on `--device webgpu`. Needs a Vulkan driver, real or in software
 * (VK_DRIVER_FILES); the suite skips, saying so, where none answers.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { GoldenEmbeddings, GoldenLabels, GoldenStory } from '../support/golden';
import { readGolden } from '../support/golden';
import { repositoryFolder } from '../support/shared-folder';
import type { TestSystem } from '../support/test-system';
import { shippedModel, startTestSystem } from '../support/test-system';

function hasWebGpu(): boolean {
  const program = join(
    repositoryFolder,
    'packages/worker/dist/adapters/onnxruntime/device-probe-main.js',
  );
  const probe = spawnSync(process.execPath, [program], { encoding: 'utf8', timeout: 60_000 });
  const line = probe.stdout?.trim().split('\n').at(-1) ?? '';
  try {
    return (JSON.parse(line) as { webgpu: { available: boolean } }).webgpu.available;
  } catch {
    return false;
  }
}

if (!hasWebGpu()) {
  describe('on webgpu', () => {
    it.skip('no Vulkan driver answers on this machine', () => undefined);
  });
} else {
  describe('on webgpu', suite);
}

function suite(): void {
  let system: TestSystem;
  const models = ['mini-encoder', 'support-intents', 'storyteller'];
  beforeAll(async () => {
    system = await startTestSystem({ models, workerEnv: { LLMOS_DEVICE: 'webgpu' } });
  });
  afterAll(() => system?.stop());

  it('nodes shows the device', async () => {
    const [node] = await system.os.nodes();
    expect(node?.devices[0]).toMatchObject({ provider: 'webgpu' });
    expect(node?.devices[0]?.name).not.toBe('');
  });

  it('mini-encoder embeds its golden sentences', async () => {
    const golden = readGolden<GoldenEmbeddings>(shippedModel('mini-encoder'));
    for (const item of golden.items) {
      const { embeddings } = await system.os.embed({ model: 'mini-encoder', text: item.text });
      item.embedding_first8.forEach((value, index) => {
        expect(Math.abs((embeddings[0]?.[index] ?? Number.NaN) - value)).toBeLessThan(1e-3);
      });
    }
  });

  it('support-intents gives its golden labels', async () => {
    for (const item of readGolden<GoldenLabels[]>(shippedModel('support-intents'))) {
      const { labels } = await system.os.classify({
        model: 'support-intents',
        text: item.text,
        topK: 3,
      });
      item.top.forEach((top, rank) => {
        expect(labels[rank]?.label).toBe(top.label);
        expect(Math.abs((labels[rank]?.score ?? Number.NaN) - top.score)).toBeLessThan(1e-3);
      });
    }
  });

  it('storyteller writes exactly its golden tokens', async () => {
    for (const story of readGolden<GoldenStory[]>(shippedModel('storyteller'))) {
      const output = await system.os.generate(
        {
          model: 'storyteller',
          prompt: story.prompt,
          maxTokens: story.greedy_ids.length,
          temperature: 0,
        },
        { timeoutMs: 150_000 },
      );
      expect(output.tokens).toEqual(story.greedy_ids);
    }
  }, 600_000);

  it('stories side by side begin with their golden tokens', async () => {
    const stories = readGolden<GoldenStory[]>(shippedModel('storyteller')).slice(0, 4);
    const outputs = await Promise.all(
      stories.map(({ prompt }) =>
        system.os.generate(
          { model: 'storyteller', prompt, maxTokens: 16, temperature: 0 },
          { timeoutMs: 290_000 },
        ),
      ),
    );
    outputs.forEach((output, index) => {
      expect(output.tokens).toEqual(stories[index]?.greedy_ids.slice(0, 16));
    });
  }, 300_000);

  it('the processes run on that device', async () => {
    const rows = await system.os.ps();
    const onDevice = rows.filter((row) => row.model.startsWith('storyteller'));
    expect(onDevice[0]?.device).toMatch(/^webgpu/);
  });
}

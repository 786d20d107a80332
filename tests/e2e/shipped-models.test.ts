/** The models that ship give the golden outputs of their cards, through the SDK, on real programs. */
import type { LlmosError } from '@llmos/base';
import { connect } from 'nats';
import type {
  GoldenEmbeddings,
  GoldenEntities,
  GoldenLabels,
  GoldenStory,
} from '../support/golden';
import { dot, readGolden } from '../support/golden';
import type { TestSystem } from '../support/test-system';
import { shippedModel, startTestSystem } from '../support/test-system';

const models = [
  'storyteller',
  'mini-encoder',
  'support-intents',
  'finance-sentiment',
  'contract-entities',
];
let system: TestSystem;

beforeAll(async () => {
  system = await startTestSystem({ models, workerEnv: { LLMOS_DEVICE: 'cpu' } });
});
afterAll(() => system?.stop());

describe('the shipped models, through the SDK', () => {
  it('storyteller writes its golden texts, token by token', async () => {
    for (const story of readGolden<GoldenStory[]>(shippedModel('storyteller'))) {
      const output = await system.os.generate({
        model: 'storyteller',
        prompt: story.prompt,
        maxTokens: story.greedy_ids.length,
        temperature: 0,
      });
      expect(output.tokens).toEqual(story.greedy_ids);
      expect(output.text).toBe(story.greedy_text);
      expect(output.promptTokens).toBe(story.prompt_ids.length);
    }
  });

  it('storyteller streams the text that it answers', async () => {
    const [story] = readGolden<GoldenStory[]>(shippedModel('storyteller'));
    if (story === undefined) throw new Error('no golden story');
    const stream = system.os.generate.stream({
      model: 'storyteller',
      prompt: story.prompt,
      maxTokens: story.greedy_ids.length,
      temperature: 0,
    });
    const tokens: number[] = [];
    let text = '';
    for await (const chunk of stream) {
      expect(chunk.index).toBe(tokens.length);
      tokens.push(...chunk.tokens);
      text += chunk.text;
    }
    expect(tokens).toEqual(story.greedy_ids);
    expect(text).toBe(story.greedy_text);
  });

  it('storyteller repeats a seeded generation', async () => {
    const input = {
      model: 'storyteller',
      prompt: 'The old king',
      maxTokens: 24,
      temperature: 0.8,
      topP: 0.95,
      repetitionPenalty: 1.1,
      seed: 7,
    };
    const first = await system.os.generate(input);
    expect((await system.os.generate(input)).tokens).toEqual(first.tokens);
    expect((await system.os.generate({ ...input, seed: 8 })).tokens).not.toEqual(first.tokens);
  });

  it('mini-encoder embeds its golden sentences', async () => {
    const golden = readGolden<GoldenEmbeddings>(shippedModel('mini-encoder'));
    const texts = golden.items.map((item) => item.text);
    const { embeddings } = await system.os.embed({ model: 'mini-encoder', texts });
    golden.items.forEach((item, row) => {
      item.embedding_first8.forEach((value, column) => {
        expect(embeddings[row]?.[column]).toBeCloseTo(value, 3);
      });
      golden.cosine[row]?.forEach((value, other) => {
        expect(dot(embeddings[row] ?? [], embeddings[other] ?? [])).toBeCloseTo(value, 3);
      });
    });
  });

  it('mini-encoder answers a plain client in JSON what the SDK has as protobuf', async () => {
    const texts = ['good morning', 'naïve 😀', ''];
    const connection = await connect({ servers: system.nats.url });
    const plain = async (input: object): Promise<unknown> => {
      const request = connection.request('llmos.v1.call.default.embed', JSON.stringify(input), {
        timeout: 120_000,
      });
      return (await request).json();
    };
    try {
      const good = { model: 'mini-encoder', texts: texts.slice(0, 2) };
      const output = await system.os.embed(good, { id: 'packed-embed' });
      expect(await plain(good)).toEqual({ ok: true, output });
      expect(await system.os.task('packed-embed').result()).toEqual(output);
      for (const bad of [
        { ...good, texts },
        { ...good, model: 'nobody' },
        { ...good, more: 1 },
      ]) {
        const error: unknown = await system.os.embed(bad).catch((thrown: unknown) => thrown);
        const { code, message } = error as LlmosError;
        expect(await plain(bad)).toMatchObject({ ok: false, error: { code, message } });
      }
    } finally {
      await connection.close();
    }
  });

  it.each(['support-intents', 'finance-sentiment'])('%s gives its golden labels', async (model) => {
    const golden = readGolden<GoldenLabels[]>(shippedModel(model));
    const texts = golden.map((item) => item.text);
    const { labels } = await system.os.classify({ model, texts, topK: 3 });
    golden.forEach((item, row) => {
      item.top.forEach((top, rank) => {
        expect(labels[row]?.[rank]?.label).toBe(top.label);
        expect(labels[row]?.[rank]?.score).toBeCloseTo(top.score, 3);
      });
    });
  });

  it('contract-entities finds its golden spans', async () => {
    for (const item of readGolden<GoldenEntities[]>(shippedModel('contract-entities'))) {
      const { entities } = await system.os.extract({ model: 'contract-entities', text: item.text });
      const spans = entities.map(({ type, start, end, text }) => ({
        label: type,
        start,
        end,
        text,
      }));
      expect(spans).toEqual(
        item.entities.map(({ label, start, end, text }) => ({ label, start, end, text })),
      );
    }
  });

  it('answers bad input with a typed error and then the next good task', async () => {
    const os = system.os;
    await expect(os.embed({ model: 'mini-encoder', texts: [] })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(os.embed({ model: 'no-such-model', text: 'a' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('no-such-model') as unknown,
    });
    await expect(os.classify({ model: 'mini-encoder', text: 'a' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(
      os.embed({ model: 'mini-encoder', text: 'word '.repeat(1_000) }),
    ).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/256/) as unknown,
    });
    await expect(os.call('no-such-function', {})).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const { embeddings } = await os.embed({ model: 'mini-encoder', text: 'still here' });
    expect(embeddings[0]).toHaveLength(384);
  });
});

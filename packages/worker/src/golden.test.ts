/** The shipped models give the outputs of their cards, through an actor thread. */
import type {
  ClassifyOutput,
  EmbedOutput,
  Entity,
  ExtractOutput,
  GenerateChunk,
  GenerateOutput,
  Label,
} from '@llmos/base';
import { DrivenThread, jsonRequest } from './testing/driven-thread';
import { itWithShared, readGolden, shippedModel } from './testing/model-folders';

jest.setTimeout(120_000);

const threads: DrivenThread[] = [];
async function open(folder: string): Promise<DrivenThread> {
  const thread = await DrivenThread.load(folder);
  threads.push(thread);
  return thread;
}
afterEach(() => threads.splice(0).forEach((thread) => thread.stop()));

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, value, index) => sum + value * (y[index] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

function expectCosines(
  embeddings: readonly (readonly number[])[],
  expected: readonly (readonly number[])[],
): void {
  embeddings.forEach((a, row) =>
    embeddings.forEach((b, column) =>
      expect(cosine(a, b)).toBeCloseTo(expected[row]?.[column] ?? Number.NaN, 3),
    ),
  );
}

describe('golden outputs', () => {
  it('storyteller continues the five prompts, token by token', async () => {
    const folder = shippedModel('storyteller');
    const thread = await open(folder);
    type Item = { prompt: string; prompt_ids: number[]; greedy_ids: number[]; greedy_text: string };
    for (const item of readGolden<Item[]>(folder)) {
      const chunks: GenerateChunk[] = [];
      const input = {
        // The card begins every prompt with this token; alone it is the empty prompt.
        prompt: item.prompt === '' ? '<|endoftext|>' : item.prompt,
        maxTokens: item.greedy_ids.length,
        temperature: 0,
      };
      const step = await thread.run(
        [jsonRequest(1, 'generate', input, { stream: true })],
        (_, chunk) => chunks.push(chunk),
      );
      const answer = JSON.parse(Buffer.from(step.answers[0]!.result).toString()) as {
        output: GenerateOutput;
      };
      expect(answer.output).toEqual({
        tokens: item.greedy_ids,
        text: item.greedy_text,
        promptTokens: item.prompt_ids.length,
        finishReason: 'length',
      });
      expect(chunks.map((chunk) => chunk.index)).toEqual(item.greedy_ids.map((_, index) => index));
      expect(chunks.flatMap((chunk) => chunk.tokens)).toEqual(item.greedy_ids);
      expect(chunks.map((chunk) => chunk.text).join('')).toBe(item.greedy_text);
      expect(chunks.at(-1)?.finishReason).toBe('length');
    }
  });

  it('mini-encoder embeds its five sentences', async () => {
    const folder = shippedModel('mini-encoder');
    const golden = readGolden<{
      items: { text: string; embedding_first8: number[] }[];
      cosine: number[][];
    }>(folder);
    const thread = await open(folder);
    const texts = golden.items.map((item) => item.text);
    const { embeddings } = await thread.ask<EmbedOutput>('embed', { texts });
    golden.items.forEach((item, index) => {
      expect(embeddings[index]).toHaveLength(384);
      item.embedding_first8.forEach((value, axis) =>
        expect(embeddings[index]?.[axis]).toBeCloseTo(value, 3),
      );
    });
    expectCosines(embeddings, golden.cosine);
  });

  it.each(['support-intents', 'finance-sentiment'])('%s labels its texts', async (name) => {
    const folder = shippedModel(name);
    const golden = readGolden<{ text: string; top: Label[] }[]>(folder);
    const thread = await open(folder);
    const texts = golden.map((item) => item.text);
    const { labels } = await thread.ask<ClassifyOutput>('classify', { texts, topK: 3 });
    golden.forEach((item, index) => {
      const found = labels[index] as Label[];
      expect(found.map((label) => label.label)).toEqual(item.top.map((label) => label.label));
      item.top.forEach((label, rank) => {
        expect(Math.abs((found[rank]?.score ?? 2) - label.score)).toBeLessThan(1e-3);
      });
    });
  });

  it('contract-entities finds the spans of its card', async () => {
    const folder = shippedModel('contract-entities');
    type Span = { label: string; start: number; end: number; text: string };
    const thread = await open(folder);
    for (const item of readGolden<{ text: string; entities: Span[] }[]>(folder)) {
      const { entities } = await thread.ask<ExtractOutput>('extract', { text: item.text });
      const spans = (entities as Entity[]).map(({ type, text, start, end }) => ({
        label: type,
        start,
        end,
        text,
      }));
      expect(spans).toEqual(item.entities);
    }
  });

  itWithShared('all-MiniLM-L6-v2 gives its similarities', 'all-MiniLM-L6-v2', async (folder) => {
    const golden = readGolden<{
      texts: string[];
      cosine: number[][];
      embedding_first8: number[][];
    }>(folder);
    const thread = await open(folder);
    const { embeddings } = await thread.ask<EmbedOutput>('embed', { texts: golden.texts });
    expectCosines(embeddings, golden.cosine);
    golden.embedding_first8.forEach((values, row) =>
      values.forEach((value, axis) => expect(embeddings[row]?.[axis]).toBeCloseTo(value, 3)),
    );
  });

  itWithShared('stories260K tells its story', 'stories260K', async (folder) => {
    const thread = await open(folder);
    const prompt = 'Once upon a time';
    const { text } = await thread.ask<GenerateOutput>('generate', {
      prompt,
      maxTokens: 60,
      temperature: 0,
    });
    expect(prompt + text).toMatch(
      /^Once upon a time, there was a little girl named Lily\. She loved to play outside in the park\./,
    );
  });
});

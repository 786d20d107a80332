/** The steps of the tour that show the functions: a story, a search, labels, entities. */
import type { Entity, Label } from '@llmos/base';
import type { LlmosClient } from '@llmos/sdk';
import { safeLine, safeText } from '../output/table';
import type { Terminal } from '../output/terminal';
import { bar, formatMs } from '../output/units';
import { TextFlow } from './text-flow';
import type {
  Classified,
  ClassifySummary,
  EmbedSummary,
  ExtractSummary,
  GenerateSummary,
} from './tour-summary';
import {
  CONTRACT,
  MESSAGES,
  POSTS,
  SEARCH,
  STORY,
  TOUR_MODELS,
  withoutAddresses,
} from './tour-texts';

export interface TourStep {
  readonly client: LlmosClient;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

const INDENT = '  ';
const WIDTH = 76;
const BAR_WIDTH = 16;

export async function tellStory(step: TourStep): Promise<GenerateSummary> {
  const { client, terminal, signal } = step;
  const model = TOUR_MODELS.generate;
  heading(step, 'A story, streamed', model);
  const flow = new TextFlow((text) => terminal.write(text), { indent: INDENT, width: WIDTH });
  flow.push(STORY.prompt);
  const startMs = performance.now();
  let firstMs: number | undefined;
  let chunks = 0;
  const reply = client.generate.stream({ model, ...STORY }, { signal });
  for await (const chunk of reply) {
    firstMs ??= performance.now();
    chunks += 1;
    flow.push(safeText(chunk.text));
  }
  flow.end();
  const endMs = performance.now();
  const output = await reply.result;
  const firstChunkMs = (firstMs ?? endMs) - startMs;
  const tokens = output.tokens.length;
  const tokensPerSecond = tokens / Math.max(0.001, (endMs - (firstMs ?? startMs)) / 1_000);
  remark(
    step,
    `${tokens} tokens, the first after ${formatMs(firstChunkMs)} (with loading the model), ` +
      `then ${Math.round(tokensPerSecond)} a second`,
  );
  const { text } = output;
  return {
    model,
    prompt: STORY.prompt,
    text,
    tokens,
    chunks,
    firstChunkMs: round(firstChunkMs),
    tokensPerSecond: round(tokensPerSecond),
  };
}

export async function searchSentences(step: TourStep): Promise<EmbedSummary> {
  const { client, terminal, signal } = step;
  const model = TOUR_MODELS.embed;
  heading(step, `Sentences ranked by meaning, for “${SEARCH.query}”`, model);
  const texts = [SEARCH.query, ...SEARCH.sentences];
  const { embeddings } = await client.embed({ model, texts }, { signal });
  const [query = [], ...others] = embeddings;
  const ranked = SEARCH.sentences
    .map((text, index) => ({ text, similarity: round(cosine(query, others[index] ?? []), 4) }))
    .sort((a, b) => b.similarity - a.similarity);
  for (const { text, similarity } of ranked) {
    const { style } = terminal;
    const scale = style.cyan(bar(similarity, BAR_WIDTH));
    terminal.line(`${INDENT}${similarity.toFixed(3).padStart(6)} ${scale} ${text}`);
  }
  return { model, query: SEARCH.query, dimensions: query.length, ranked };
}

export async function labelTexts(step: TourStep): Promise<ClassifySummary> {
  heading(step, 'What customers want', TOUR_MODELS.intents);
  const intents = await labels(step, TOUR_MODELS.intents, MESSAGES);
  heading(step, 'What the market says', TOUR_MODELS.sentiment);
  const sentiment = await labels(step, TOUR_MODELS.sentiment, POSTS.map(withoutAddresses));
  return { intents, sentiment };
}

async function labels(
  step: TourStep,
  model: string,
  texts: readonly string[],
): Promise<Classified[]> {
  const { client, terminal, signal } = step;
  const { style } = terminal;
  const output = await client.call('classify', { model, texts: [...texts], topK: 1 }, { signal });
  const lists = output.labels as readonly (readonly Label[])[];
  const bests = texts.map((_, index) => lists[index]?.[0] ?? { label: 'nothing', score: 0 });
  const width = Math.max(...bests.map((best) => best.label.length));
  return texts.map((text, index) => {
    const best = bests[index] ?? { label: 'nothing', score: 0 };
    const label = style.green(safeLine(best.label).padEnd(width));
    terminal.line(`${INDENT}${best.score.toFixed(3)}  ${label}  ${text}`);
    return { text, label: best.label, score: round(best.score, 4) };
  });
}

export async function findEntities(step: TourStep): Promise<ExtractSummary> {
  const { client, terminal, signal } = step;
  const model = TOUR_MODELS.extract;
  heading(step, 'Who and where, in a contract', model);
  const output = await client.call('extract', { model, text: CONTRACT }, { signal });
  const entities = output.entities as readonly Entity[];
  const flow = new TextFlow((text) => terminal.write(text), { indent: INDENT, width: WIDTH });
  flow.push(CONTRACT);
  flow.end();
  const width = Math.max(0, ...entities.map((entity) => entity.text.length));
  for (const entity of entities) {
    const type = terminal.style.green(safeLine(entity.type).padEnd(4));
    const where = terminal.style.dim(`at ${entity.start}–${entity.end}`);
    terminal.line(`${INDENT}${type} ${safeLine(entity.text).padEnd(width)}  ${where}`);
  }
  return { model, text: CONTRACT, entities };
}

export function heading({ terminal }: TourStep, title: string, model = ''): void {
  const { style } = terminal;
  terminal.line();
  terminal.line(`${style.bold(title)}${model === '' ? '' : style.dim(`  · ${model}`)}`);
}

export function remark({ terminal }: TourStep, text: string): void {
  terminal.line(INDENT + terminal.style.dim(text));
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, value, index) => sum + value * (y[index] ?? 0), 0);
  const length = Math.sqrt(dot(a, a) * dot(b, b));
  return length === 0 ? 0 : dot(a, b) / length;
}

/** Figures for a summary, not more digits than were measured. */
export function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}

/** What the metrics say of generations, counted on real programs: each case by itself. */
import { HOST_BOUNDS } from '@llmos/worker/testing';
import type { MetricFamily } from '../support/prometheus-text';
import { parseMetrics, sumOf } from '../support/prometheus-text';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

const FIRST = 'llmos_process_time_to_first_token_seconds';
const EACH = 'llmos_process_time_per_output_token_seconds';
const STORY = { model: 'storyteller', prompt: 'Once upon a time', temperature: 0 };
const LONG = { ...STORY, minTokens: 8, maxTokens: 8 };

let system: TestSystem;

beforeAll(async () => {
  system = await startTestSystem({ models: ['storyteller', 'mini-encoder'] });
  await system.os.generate(LONG);
  ended += 1;
});
afterAll(() => system?.stop());

async function scrape(): Promise<ReadonlyMap<string, MetricFamily>> {
  const response = await fetch(`${system.worker.ready.httpUrl}/metrics`);
  return parseMetrics(await response.text());
}

interface Counted {
  readonly first: number;
  readonly each: number;
}

/** Attempts of the storyteller that have ended. */
let ended = 0;

/** Once the worker has told what all of them did: their ends and their tokens are told together. */
async function counted(): Promise<Counted> {
  let families = await scrape();
  const isComplete = async (): Promise<boolean> => {
    families = await scrape();
    const model = 'storyteller@1';
    return sumOf(families, 'llmos_process_attempts_total', { model }) === ended;
  };
  await waitFor(isComplete, { what: `${ended} ends to be counted`, everyMs: 200 });
  return { first: sumOf(families, `${FIRST}_count`), each: sumOf(families, `${EACH}_count`) };
}

/** What one task adds. */
async function added(work: () => Promise<unknown>): Promise<Counted> {
  const before = await counted();
  await work();
  ended += 1;
  const after = await counted();
  return { first: after.first - before.first, each: after.each - before.each };
}

const streamed = async (more: object = {}): Promise<void> => {
  for await (const _chunk of system.os.generate.stream({ ...LONG, ...more })) void _chunk;
};

it('a generation without a stream counts once in both', async () => {
  expect(await added(() => system.os.generate(LONG))).toEqual({ first: 1, each: 1 });
});

it('a stream counts once in both', async () => {
  expect(await added(() => streamed())).toEqual({ first: 1, each: 1 });
});

it('one token has a first one, and no time between tokens', async () => {
  const one = { minTokens: 1, maxTokens: 1 };
  expect(await added(() => streamed(one))).toEqual({ first: 1, each: 0 });
});

it('samples share a first token, and each has a pace', async () => {
  const samples = { ...LONG, temperature: 1, n: 3 };
  expect(await added(() => system.os.generate(samples))).toEqual({ first: 1, each: 3 });
});

it('a stream that dies before its first token counts in none', async () => {
  const refused = { ...LONG, prompt: 'word '.repeat(20_000) };
  const dies = expect(streamed(refused)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(await added(() => dies)).toEqual({ first: 0, each: 0 });
});

it('has the buckets of the conventions, and series for models that generate alone', async () => {
  await system.os.embed({ model: 'mini-encoder', texts: ['a'] });
  const families = await scrape();
  for (const [name, bounds] of [
    [FIRST, HOST_BOUNDS.firstTokenSeconds],
    [EACH, HOST_BOUNDS.tokenSeconds],
  ] as const) {
    const samples = families.get(name)?.samples ?? [];
    const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
    expect(buckets.map(({ labels }) => labels['le'])).toEqual([...bounds.map(String), '+Inf']);
    expect(new Set(samples.map(({ labels }) => labels['model']))).toEqual(
      new Set(['storyteller@1']),
    );
  }
});

/** What the metrics say of generations, counted on real programs: each case by itself. */
import { HOST_BOUNDS } from '@llmos/worker/testing';
import type { MetricFamily } from '../support/prometheus-text';
import { parseMetrics, sumOf } from '../support/prometheus-text';
import type { TestProgram } from '../support/programs';
import type { TestSystem } from '../support/test-system';
import { shippedModel, startTestSystem } from '../support/test-system';
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

type Families = ReadonlyMap<string, MetricFamily>;

async function scrape(of: TestProgram = system.worker): Promise<Families> {
  const response = await fetch(`${of.ready.httpUrl}/metrics`);
  return parseMetrics(await response.text());
}

/** Names of the metrics that have a series of a storyteller. */
async function seriesOf(program: TestProgram): Promise<string[]> {
  const families = [...(await scrape(program)).values()];
  const isOurs = (labels: Readonly<Record<string, string>>): boolean =>
    labels['model']?.startsWith('storyteller@') === true;
  return families
    .filter(({ samples }) => samples.some(({ labels }) => isOurs(labels)))
    .map(({ name }) => name);
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

const ROWS = 'llmos_kernel_model_rows_in_use_ratio';
const QUEUED = 'llmos_kernel_model_queued_tasks';
const RUNNING = 'llmos_kernel_model_running_tasks';
const model = 'storyteller@1';

/** As the leader tells it; 0 without a series. */
async function load(): Promise<{ queued: number; running: number; rows: number }> {
  const families = await scrape(system.kernel);
  const value = (name: string): number => sumOf(families, name, { model });
  return { queued: value(QUEUED), running: value(RUNNING), rows: value(ROWS) };
}

it('a busy model shows at the leader, and its tasks learn when their turn comes', async () => {
  const before = await counted();
  const endedBefore = ended;
  const estimates: number[] = [];
  let waiting: { readonly id: string }[] = [];
  const seen = { queued: 0, running: 0, rows: 0 };
  const isDone = (): boolean => estimates.length > 0 && Object.values(seen).every((n) => n > 0);
  let isOver = false;
  const work = Array.from({ length: 48 }, async (_, seed) => {
    // More than a process has permits, until everything has been seen.
    while (!isOver) {
      const input = { ...STORY, minTokens: 40, maxTokens: 40, temperature: 1, seed };
      const task = await system.os.submit('generate', input, { class: 'batch' });
      waiting.push(task);
      await task.result();
      ended += 1;
      waiting = waiting.filter((other) => other !== task);
    }
  });
  const look = async (): Promise<boolean> => {
    const now = await load();
    for (const key of ['queued', 'running', 'rows'] as const) seen[key] ||= now[key];
    expect(now.rows).toBeLessThanOrEqual(1);
    for (const { id } of waiting.slice(-8)) {
      const status = await system.os.task(id).status();
      if ('estimateMs' in status && status.estimateMs !== undefined) {
        expect(status).toMatchObject({ state: 'queued', waitsFor: 'turn' });
        estimates.push(status.estimateMs);
      }
    }
    return isDone();
  };
  try {
    await waitFor(look, { what: 'queue, rows and estimates', everyMs: 50 });
  } finally {
    isOver = true;
    await Promise.all(work);
  }
  for (const estimateMs of estimates) {
    expect(Number.isInteger(estimateMs) && estimateMs >= 0).toBe(true);
  }
  const isIdle = async (): Promise<boolean> => {
    const { queued, running, rows } = await load();
    return queued === 0 && running === 0 && rows === 0;
  };
  await waitFor(isIdle, { what: 'an idle model', everyMs: 100 });
  expect(await seriesOf(system.kernel)).toEqual(expect.arrayContaining([QUEUED, RUNNING, ROWS]));
  // Each of them had one first token, and one pace.
  const after = await counted();
  const tasks = ended - endedBefore;
  expect([after.first - before.first, after.each - before.each]).toEqual([tasks, tasks]);
});

it('another leader shows the same, and a stream that it takes over counts once', async () => {
  const before = system.kernel;
  const next = await system.startKernel();
  const long = { minTokens: 150, maxTokens: 150 };
  const result = await added(async () => {
    const stream = system.os.generate.stream({ ...LONG, ...long });
    let isStopped = false;
    for await (const chunk of stream) {
      if (isStopped || chunk.tokens.length === 0) continue;
      isStopped = true;
      await before.stop();
    }
  });
  expect(result).toEqual({ first: 1, each: 1 });
  await waitFor(async () => (await seriesOf(next)).includes(ROWS), { what: 'the new leader’s' });
  expect(await load()).toMatchObject({ queued: 0 });
});

it('a model that is removed leaves no series, and has new ones when it is added again', async () => {
  const operator = await system.connectAs('operator');
  expect(await seriesOf(system.worker)).toEqual(expect.arrayContaining([FIRST, EACH]));
  await operator.removeModel(model);
  const isGone = async (): Promise<boolean> =>
    [...(await seriesOf(system.kernel)), ...(await seriesOf(system.worker))].length === 0;
  await waitFor(isGone, { what: 'the series to go', everyMs: 100 });
  expect(sumOf(await scrape(), 'llmos_worker_processes')).toBeGreaterThan(0);
  await system.addModel('storyteller', shippedModel('storyteller'));
  await system.os.generate(LONG);
  const counts = async (): Promise<number> =>
    (await seriesOf(system.worker)).includes(FIRST) ? sumOf(await scrape(), `${FIRST}_count`) : 0;
  await waitFor(async () => (await counts()) > 0, { what: 'the new series', everyMs: 100 });
  expect(await counts()).toBe(1);
});

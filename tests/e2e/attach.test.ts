/** Readers of real generations that come at any moment, and what stops a running one. */
import { decodeJson, parseResult } from '@llmos/base';
import type { GenerateChunk, GenerateOutput } from '@llmos/base';
import type { LlmosClient } from '@llmos/sdk';
import { uncached } from '../support/generations';
import type { Ledger } from '../support/ledger';
import { openLedger } from '../support/ledger';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

/** Each token in a chunk of its own: many moments to come at, and tokens that can be counted. */
const workerEnv = { LLMOS_CHUNK_MS: '0' };
const story = { model: 'storyteller', prompt: 'Once upon a time', maxTokens: 200, temperature: 0 };
/** Long enough to be stopped in the middle. */
const LONG = 450;
const longStory = { ...story, minTokens: LONG, maxTokens: LONG };

let system: TestSystem;
/** Another client than the one that submits. */
let second: LlmosClient;
let ledger: Ledger;
let expected: GenerateOutput;

beforeAll(async () => {
  system = await startTestSystem({ models: ['storyteller'], workerEnv });
  second = await system.connectAs('default');
  ledger = await openLedger(system.nats.url);
  expected = uncached(await system.os.generate(story));
});
afterAll(async () => {
  await ledger?.close();
  await system?.stop();
});

interface Read {
  readonly text: string;
  readonly tokens: readonly number[];
}

/** Reads to the end, and sees that there is no gap and no repeat. */
async function read(chunks: AsyncIterable<GenerateChunk>): Promise<Read> {
  const tokens: number[] = [];
  let text = '';
  for await (const chunk of chunks) {
    expect(chunk.index).toBe(tokens.length);
    tokens.push(...chunk.tokens);
    text += chunk.text;
  }
  return { text, tokens };
}

/** `attach` as any NATS client uses it: one subscription, one request. */
async function* plainChunks(task: string, client: string): AsyncGenerator<GenerateChunk> {
  const plain = ledger.connection;
  const messages = plain.subscribe(`llmos.v1.deliver.default.${client}`);
  await plain.flush();
  const request = JSON.stringify({ task, client });
  const answer = await plain.request('llmos.v1.sys.default.attach', request, { timeout: 60_000 });
  expect(decodeJson(answer.data)).toMatchObject({ ok: true });
  for await (const message of messages) {
    expect(message.headers?.get('Llmos-Task')).toBe(task);
    if (message.headers?.get('Llmos-End') === 'result') {
      const result = parseResult(message.data);
      if (result.ok) expect(uncached(result.output as GenerateOutput)).toEqual(expected);
      return;
    }
    if (message.data.length > 0) yield decodeJson(message.data) as GenerateChunk;
  }
}

let readerCount = 0;

/** Three readers who come now: by the SDK, by the SDK through the kernel, and plainly. */
function readersOf(task: string): Promise<Read>[] {
  readerCount += 1;
  return [
    read(second.task(task).stream()),
    read(second.task(task).stream({ via: 'kernel' })),
    read(plainChunks(task, `reader-${readerCount}`)),
  ];
}

it('a reader that comes at any moment gets the same text as the first', async () => {
  const first = system.os.generate.stream(story, { id: 'tale' });
  const readers: Promise<Read>[] = readersOf('tale');
  const tokens: number[] = [];
  let text = '';
  for await (const chunk of first) {
    if (tokens.length % 50 === 0) readers.push(...readersOf('tale'));
    tokens.push(...chunk.tokens);
    text += chunk.text;
  }
  readers.push(...readersOf('tale'));
  await first.result;
  readers.push(...readersOf('tale'));
  expect({ text, tokens }).toEqual({ text: expected.text, tokens: expected.tokens });
  const whole = { text, tokens };
  expect(readers.length).toBeGreaterThanOrEqual(12);
  expect(await Promise.all(readers)).toEqual(readers.map(() => whole));
});

it('several tokens go together in one chunk where many streams run', async () => {
  await system.worker.stop();
  // Far longer than a step takes, on any machine.
  await system.startWorker({ LLMOS_CHUNK_MS: '1000' });
  const streams = Array.from({ length: 8 }, () => system.os.generate.stream(story));
  const counts = await Promise.all(
    streams.map(async (stream) => {
      let count = 0;
      for await (const chunk of stream) count += Number(chunk.tokens.length > 0);
      expect((await stream.result).tokens).toEqual(expected.tokens);
      return count;
    }),
  );
  expect(Math.max(...counts)).toBeLessThan(expected.tokens.length / 2);
  await system.worker.stop();
  await system.startWorker(workerEnv);
});

/** Tokens that lie in the stream of a task. */
async function storedTokens(task: string): Promise<number> {
  const chunks = await ledger.chunks('default', task);
  return chunks.reduce((sum, { chunk }) => sum + chunk.tokens.length, 0);
}

/** After as many steps as a whole generation takes, ended ones have no more tokens than before. */
async function expectNoMoreTokens(tasks: readonly string[]): Promise<void> {
  // Once the host has told that it stopped: the end of a task may be known before.
  await waitFor(async () => (await system.os.ps()).every((row) => row.running === 0), {
    what: 'every permit to come back',
  });
  const counts = await Promise.all(tasks.map(storedTokens));
  expect(Math.max(...counts)).toBeLessThan(LONG);
  await system.os.generate(longStory);
  expect(await Promise.all(tasks.map(storedTokens))).toEqual(counts);
}

it('a cancelled stream makes no more tokens, and its readers hear of it', async () => {
  // How far it is when the cancel comes is the machine's to say: one is looked for that is cut.
  for (let round = 1; ; round += 1) {
    const task = `cancelled-${round}`;
    const stream = system.os.generate.stream(longStory, { id: task });
    await stream.next();
    const readers = readersOf(task).map((reader) => reader.catch((error: unknown) => error));
    const isCancelled = await second.task(task).cancel();
    const outcome = await stream.result.catch((error: unknown) => error);
    const heard = await Promise.all(readers);
    if (!isCancelled || (await storedTokens(task)) === LONG) continue;
    expect(outcome).toMatchObject({ code: 'CANCELLED' });
    for (const error of heard.slice(0, 2)) expect(error).toMatchObject({ code: 'CANCELLED' });
    return expectNoMoreTokens([task]);
  }
});

it('a stream past its deadline makes no more tokens', async () => {
  // How long a generation takes is the machine's to say: a time is looked for that cuts some.
  let timeoutMs = 1_000;
  for (let round = 1; ; round += 1) {
    const ended = await runLimited(`late-${round}`, timeoutMs);
    const cut = ended.filter(({ tokens }) => tokens > 0 && tokens < LONG);
    for (const { outcome } of cut) expect(outcome).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    if (cut.length > 0) return expectNoMoreTokens(cut.map(({ task }) => task));
    timeoutMs = ended.some(({ tokens }) => tokens > 0) ? timeoutMs / 2 : timeoutMs * 2;
  }
});

interface LimitedStream {
  readonly task: string;
  readonly outcome: unknown;
  readonly tokens: number;
}

/** Eight streams at once that may take so long, to their end. */
function runLimited(name: string, timeoutMs: number): Promise<LimitedStream[]> {
  return Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const task = `${name}-${index}`;
      const stream = system.os.generate.stream(longStory, { id: task, timeoutMs });
      const outcome = await system.os
        .task(task)
        .result()
        .catch((error: unknown) => error);
      await stream.return();
      return { task, outcome, tokens: await storedTokens(task) };
    }),
  );
}

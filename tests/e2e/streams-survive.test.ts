/**
 * Streams of real generations go on when what runs them is killed, or stopped and woken again:
 * without a gap or a repeated token, and with the text of an uninterrupted run.
 */
import { parseChunk } from '@llmos/base';
import type { GenerateChunk, GenerateOutput } from '@llmos/base';
import type { LlmosClient, ProcessRow, ReplyStream } from '@llmos/sdk';
import type { JetStreamManager } from 'nats';
import { uncached } from '../support/generations';
import { isAlive } from '../support/is-alive';
import type { Ledger } from '../support/ledger';
import { openLedger } from '../support/ledger';
import { PATIENT } from '../support/nats-server';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

const STREAMS = 8;
/** What a host logs when a stream has refused it. */
const REPLACED = /"end":\{"kind":"replaced"\},"event":"stream-ended"/g;
/** Each token in a chunk of its own, so that there is much to interrupt. */
const workerEnv = { LLMOS_CHUNK_MS: '0' };
/** Of each stream: long enough to be interrupted in the middle. */
const TOKENS = 300;
/** Of these, some are left where a stream is in its middle. */
const MIDDLE_TOKENS = 250;
const inputs = Array.from({ length: STREAMS }, (_, index) => ({
  model: 'storyteller',
  prompt: ['Once upon a time', 'The little dog', 'One day', 'Lily'][index % 4] ?? '',
  minTokens: TOKENS,
  maxTokens: TOKENS,
  temperature: index % 2,
  seed: index,
}));

let system: TestSystem;
let ledger: Ledger;
let manager: JetStreamManager;
/** What each input gives when nothing disturbs it. */
let expected: readonly GenerateOutput[];

async function begin(kernelEnv: Readonly<Record<string, string>> = {}): Promise<void> {
  system = await startTestSystem({ models: ['storyteller'], kernelEnv, workerEnv });
  ledger = await openLedger(system.nats.url);
  manager = await ledger.connection.jetstreamManager(PATIENT);
  const outputs = await Promise.all(inputs.map((input) => system.os.generate(input)));
  expected = outputs.map(uncached);
}
afterEach(async () => {
  await ledger?.close();
  await system?.stop();
});

/** Reads a stream to its end in the background, and counts. */
class Reading {
  readonly chunks: GenerateChunk[] = [];
  readonly done: Promise<GenerateOutput>;

  constructor(
    readonly task: string,
    readonly stream: ReplyStream,
  ) {
    this.done = this.readAll();
    this.done.catch(() => undefined);
  }

  get tokenCount(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.tokens.length, 0);
  }

  private async readAll(): Promise<GenerateOutput> {
    for await (const chunk of this.stream) this.chunks.push(chunk);
    return this.stream.result;
  }
}

function startStreams(os: LlmosClient, round: number): Reading[] {
  return inputs.map((input, index) => {
    const task = `story-${round}-${index}`;
    return new Reading(task, os.generate.stream(input, { id: task }));
  });
}

/** Once each stream has begun. */
async function untilUnderWay(readings: readonly Reading[]): Promise<void> {
  await waitFor(() => readings.every((reading) => reading.tokenCount > 5), {
    what: 'every stream to be under way',
    everyMs: 2,
  });
}

interface Interruption {
  /** Stops what runs the streams. */
  stop(): void;
  /** Lets it run again, where it was stopped too late. */
  go(): void;
  /** The task of a generation without a stream, beside those of a round. */
  beside?(round: number): Promise<string>;
}

interface Interrupted {
  readonly readings: readonly Reading[];
  readonly beside: string;
}

/**
 * Streams that are stopped in the middle of each. How far they are when this program gets its turn
 * is the machine's to say, so it begins anew until it comes in time.
 */
async function interruptStreams(interruption: Interruption): Promise<Interrupted> {
  for (let round = 1; ; round += 1) {
    const readings = startStreams(system.os, round);
    const beside = (await interruption.beside?.(round)) ?? '';
    await untilUnderWay(readings);
    interruption.stop();
    if (await areInMiddle(readings, beside)) return { readings, beside };
    interruption.go();
    await Promise.all(readings.map(({ done }) => done));
  }
}

/** Few requests: who is stopped for long is taken for dead. */
async function areInMiddle(readings: readonly Reading[], beside: string): Promise<boolean> {
  const subject = `llmos.v1.result.default.${beside}`;
  const filter = { subjects_filter: 'llmos.v1.result.default.*' };
  const { state } = await manager.streams.info('LLMOS_RESULTS', filter);
  if (state.subjects?.[subject] !== undefined) return false;
  const counts = await Promise.all(readings.map(({ task }) => storedTokens(task)));
  return Math.max(...counts) <= MIDDLE_TOKENS;
}

/** Of a stream that has begun. */
async function storedTokens(task: string): Promise<number> {
  const last = { last_by_subj: `llmos.v1.stream.default.${task}` };
  const { data } = await manager.streams.getMessage('LLMOS_STREAMS', last);
  const chunk = parseChunk(data);
  return chunk === undefined ? 0 : chunk.index + chunk.tokens.length;
}

async function readyProcesses(count: number, node?: string): Promise<readonly ProcessRow[]> {
  return waitFor(
    async () => {
      const rows = (await system.os.ps()).filter(
        (row) =>
          row.model.startsWith('storyteller') &&
          row.state === 'ready' &&
          (node === undefined || row.node === node),
      );
      return rows.length >= count && rows;
    },
    { what: `${count} ready processes` },
  );
}

/** What the reader saw and what is stored: each token once, in order, and the expected text. */
async function expectWhole(readings: readonly Reading[]): Promise<void> {
  const outputs: GenerateOutput[] = [];
  for (const [index, reading] of readings.entries()) {
    const output = await reading.done;
    outputs.push(output);
    expect(uncached(output)).toEqual(expected[index]);
    expectChain(reading.chunks, output);
    const stored = await storedChunks(reading.task);
    expectChain(
      stored.map(({ chunk }) => chunk),
      output,
    );
  }
  const results = await ledger.results('default');
  for (const [index, { task }] of readings.entries()) {
    expect(results.get(task)).toEqual([{ ok: true, output: outputs[index] }]);
  }
}

function expectChain(chunks: readonly GenerateChunk[], output: GenerateOutput): void {
  let nextIndex = 0;
  for (const chunk of chunks) {
    expect(chunk.index).toBe(nextIndex);
    nextIndex += chunk.tokens.length;
  }
  expect(chunks.flatMap((chunk) => chunk.tokens)).toEqual(output.tokens);
  expect(chunks.map((chunk) => chunk.text).join('')).toBe(output.text);
}

async function storedChunks(task: string) {
  return ledger.chunks('default', task);
}

/**
 * The first attempt wrote some chunks and later ones wrote the rest: one later attempt, or more
 * where the machine stands still so long that a process is taken for dead.
 */
async function expectLaterAttempts(readings: readonly Reading[]): Promise<void> {
  const attempts = await attemptsOf(readings);
  expect([...attempts]).toContain(1);
  expect(attempts.size).toBeGreaterThan(1);
}

/** The attempts that wrote the chunks of all streams; in none of them does a lower one follow. */
async function attemptsOf(readings: readonly Reading[]): Promise<ReadonlySet<number>> {
  const attempts = new Set<number>();
  for (const { task } of readings) {
    const stored = (await storedChunks(task)).map(({ attempt }) => attempt);
    expect(stored).toEqual([...stored].sort((a, b) => a - b));
    for (const attempt of stored) attempts.add(attempt);
  }
  return attempts;
}

function stopOf(row: ProcessRow | undefined): Interruption {
  const signal = (name: 'SIGSTOP' | 'SIGCONT') => process.kill(row?.osPid ?? 0, name);
  return { stop: () => void signal('SIGSTOP'), go: () => void signal('SIGCONT') };
}

it('kill -9 of the process host: 8 streams go on in its successor', async () => {
  await begin();
  const [before] = await readyProcesses(1);
  const { readings } = await interruptStreams(stopOf(before));
  process.kill(before?.osPid ?? 0, 'SIGKILL');
  await expectWhole(readings);
  await expectLaterAttempts(readings);
  const [after] = await readyProcesses(1);
  expect(after?.osPid).not.toBe(before?.osPid);
});

it('SIGSTOP of the process host: it is found silent and replaced', async () => {
  await begin({ LLMOS_PROCESS_SILENCE_MS: '10000' });
  const [before] = await readyProcesses(1);
  const { readings } = await interruptStreams(stopOf(before));
  await expectWhole(readings);
  // Its agent has killed it, which also works on a process that is stopped.
  await waitFor(() => !isAlive(before?.osPid ?? 0), { what: 'the old host to be gone' });
  await expectLaterAttempts(readings);
  const events = await eventsOf(before?.pid ?? '');
  expect(events).toContain('silent');
});

it('SIGSTOP of a whole node past its lease, then SIGCONT: what it still says is refused', async () => {
  await begin({ LLMOS_NODE_LEASE_MS: '10000' });
  const [old] = await readyProcesses(1);
  const heard = await listen();
  const stopped = system.worker;
  const host = stopOf(old);
  const [input = { prompt: '' }] = inputs;
  const { readings, beside } = await interruptStreams({
    stop: () => {
      // The agent first, or it would see that its host is silent.
      stopped.pause();
      host.stop();
    },
    go: () => {
      host.go();
      stopped.resume();
    },
    // It streams nothing, so its old host does not learn that it was replaced until it commits.
    beside: async (round) => {
      const { id } = await system.os.submit('generate', input, { id: `plain-${round}` });
      return id;
    },
  });
  await system.startWorker({ ...workerEnv, LLMOS_NODE: 'node-2' });
  await expectWhole(readings);
  const besides = (await system.os.task(beside).result()) as GenerateOutput;
  expect(uncached(besides)).toEqual(expected[0]);
  await expectLaterAttempts(readings);

  heard.length = 0;
  process.kill(old?.osPid ?? 0, 'SIGCONT');
  // It goes on where it stood: a chunk of each stream, and a result. All see them, none is stored.
  const late = readings.map(({ task }) => `stream ${task} attempt 1`);
  late.push(`result ${beside} attempt 1`);
  await waitFor(() => late.every((each) => heard.includes(each)), {
    what: `the old host to go on; heard: ${heard.join(', ')}`,
  });
  stopped.resume();
  await waitFor(() => (stopped.log().match(REPLACED)?.length ?? 0) >= STREAMS, {
    what: 'the old host to say that it was replaced',
  });
  await expectWhole(readings);
  await expectLaterAttempts(readings);
  expect((await ledger.results('default')).get(beside)).toHaveLength(1);
  const result = { last_by_subj: `llmos.v1.result.default.${beside}` };
  const committed = await manager.streams.getMessage('LLMOS_RESULTS', result);
  expect(Number(committed.header.get('Llmos-Attempt'))).toBeGreaterThan(1);
  await waitFor(() => !isAlive(old?.osPid ?? 0), { what: 'the old host to be stopped' });
});

/** Everything that is published on streams and results, stored or not. */
async function listen(): Promise<string[]> {
  const heard: string[] = [];
  for (const kind of ['stream', 'result']) {
    ledger.connection.subscribe(`llmos.v1.${kind}.default.*`, {
      callback: (error, msg) => {
        if (error !== null) return;
        const task = msg.subject.split('.').at(-1) ?? '';
        heard.push(`${kind} ${task} attempt ${msg.headers?.get('Llmos-Attempt') ?? ''}`);
      },
    });
  }
  await ledger.connection.flush();
  return heard;
}

/** What its lifecycle events say, as one text. */
async function eventsOf(pid: string): Promise<string> {
  let text = '';
  for await (const event of system.os.events({ last: 200 })) {
    if (event.id === pid) text += JSON.stringify(event);
  }
  return text;
}

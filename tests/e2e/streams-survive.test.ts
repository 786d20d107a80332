/**
 * Streams of real generations go on when what runs them is killed, or stopped and woken again:
 * without a gap or a repeated token, and with the text of an uninterrupted run.
 */
import type { GenerateChunk, GenerateOutput } from '@llmos/base';
import type { LlmosClient, ProcessRow, ReplyStream } from '@llmos/sdk';
import type { JetStreamManager } from 'nats';
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
const inputs = Array.from({ length: STREAMS }, (_, index) => ({
  model: 'storyteller',
  prompt: ['Once upon a time', 'The little dog', 'One day', 'Lily'][index % 4] ?? '',
  // Long enough to be interrupted in the middle.
  minTokens: 300,
  maxTokens: 300,
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
  expected = await Promise.all(inputs.map((input) => system.os.generate(input)));
}
afterEach(async () => {
  await ledger?.close();
  await system?.stop();
});

/** Reads a stream to its end in the background, and counts. */
class Reading {
  readonly chunks: GenerateChunk[] = [];
  readonly done: Promise<GenerateOutput>;

  constructor(readonly stream: ReplyStream) {
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

function startStreams(os: LlmosClient): Reading[] {
  return inputs.map(
    (input, index) => new Reading(os.generate.stream(input, { id: `story-${index}` })),
  );
}

/** Once each stream has begun, and before any is through. */
async function untilUnderWay(readings: readonly Reading[]): Promise<void> {
  await waitFor(() => readings.every((reading) => reading.tokenCount > 5), {
    what: 'every stream to be under way',
    everyMs: 2,
  });
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
  for (const [index, reading] of readings.entries()) {
    const output = await reading.done;
    expect(output).toEqual(expected[index]);
    expectChain(reading.chunks, output);
    expectChain(
      (await storedChunks(`story-${index}`)).map(({ chunk }) => chunk),
      output,
    );
  }
  const results = await ledger.results('default');
  for (const index of readings.keys()) {
    expect(results.get(`story-${index}`)).toEqual([{ ok: true, output: expected[index] }]);
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
  for (const index of readings.keys()) {
    const stored = (await storedChunks(`story-${index}`)).map(({ attempt }) => attempt);
    expect(stored).toEqual([...stored].sort((a, b) => a - b));
    for (const attempt of stored) attempts.add(attempt);
  }
  return attempts;
}

it('kill -9 of the process host: 8 streams go on in its successor', async () => {
  await begin();
  const [before] = await readyProcesses(1);
  const readings = startStreams(system.os);
  await untilUnderWay(readings);
  process.kill(before?.osPid ?? 0, 'SIGKILL');
  await expectWhole(readings);
  await expectLaterAttempts(readings);
  const [after] = await readyProcesses(1);
  expect(after?.osPid).not.toBe(before?.osPid);
});

it('SIGSTOP of the process host: it is found silent and replaced', async () => {
  await begin({ LLMOS_PROCESS_SILENCE_MS: '10000' });
  const [before] = await readyProcesses(1);
  const readings = startStreams(system.os);
  await untilUnderWay(readings);
  process.kill(before?.osPid ?? 0, 'SIGSTOP');
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
  const readings = startStreams(system.os);
  // It streams nothing, so its old host does not learn that it was replaced until it commits.
  const [input = { prompt: '' }] = inputs;
  const plain = await system.os.submit('generate', input, { id: 'plain' });
  await untilUnderWay(readings);
  const stopped = system.worker;
  // The agent first, or it would see that its host is silent.
  stopped.pause();
  process.kill(old?.osPid ?? 0, 'SIGSTOP');
  await system.startWorker({ ...workerEnv, LLMOS_NODE: 'node-2' });
  await expectWhole(readings);
  expect(await plain.result()).toEqual(expected[0]);
  await expectLaterAttempts(readings);

  heard.length = 0;
  process.kill(old?.osPid ?? 0, 'SIGCONT');
  // It goes on where it stood: a chunk of each stream, and a result. All see them, none is stored.
  const late = [...readings.keys()].map((index) => `stream story-${index} attempt 1`);
  await waitFor(() => [...late, 'result plain attempt 1'].every((each) => heard.includes(each)), {
    what: `the old host to go on; heard: ${heard.join(', ')}`,
  });
  stopped.resume();
  await waitFor(() => (stopped.log().match(REPLACED)?.length ?? 0) >= STREAMS, {
    what: 'the old host to say that it was replaced',
  });
  await expectWhole(readings);
  await expectLaterAttempts(readings);
  expect((await ledger.results('default')).get('plain')).toHaveLength(1);
  const result = { last_by_subj: 'llmos.v1.result.default.plain' };
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

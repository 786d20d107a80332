/** A process host with a thread of the test's own, and the model cache, on a real NATS server. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BUCKETS,
  PACKAGE_STORE,
  STREAMS,
  asTarget,
  packageObjectName,
  silentLogger,
  subjects,
  systemClock,
} from '@llmos/base';
import type {
  AttemptSpec,
  FunctionName,
  MailboxCommand,
  ModelRegistration,
  NodeId,
  ProcessId,
  TaskId,
  TenantId,
} from '@llmos/base';
import { decodeReport, encodeMailboxMessage } from '@llmos/wire';
import type { ReceivedReport } from '@llmos/wire';
import {
  ModelCache,
  createModelStore,
  openPackageDisk,
  startProcessHost,
} from '@llmos/worker/testing';
import type { FromHost, ProcessHost } from '@llmos/worker/testing';
import { connect } from 'nats';
import type { JetStreamManager, NatsConnection, Subscription } from 'nats';
import { writeLeader } from '../support/leader-record';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { waitFor } from '../support/wait-for';

/** Counts, streams and answers; a body "die" kills it, "later" waits for a cancel. */
/** Where the times of an order count from: they say what is left. */
const AT_ZERO = { nowMs: 0, wallMs: 0 };
const THREAD = `
const { parentPort } = require('node:worker_threads');
let heardRuns = 0;
const say = (message) => parentPort.postMessage(message);
const answer = (requestId, output) => say({ kind: 'answered', answers: [{ requestId,
  result: Buffer.from(JSON.stringify({ ok: true, output })) }] });
parentPort.on('message', (message) => {
  if (message.kind === 'load') say({ kind: 'loaded', provider: 'cpu', loadMs: 1 });
  if (message.kind === 'close') { say({ kind: 'closed' }); process.exit(0); }
  if (message.kind === 'cancel') { answer(message.requestId, 'late'); say({ kind: 'idle', heardRuns, answers: [] }); }
  if (message.kind !== 'run') return;
  heardRuns += 1;
  let isOpen = false;
  for (const request of message.requests) {
    const text = Buffer.from(request.body).toString();
    if (text === 'die') process.exit(3);
    if (text === 'hoard') for (const all = [];;) all.push(new Array(1000).fill({}));
    if (text === 'later') { isOpen = true; continue; }
    const from = (request.resumeTokens ?? []).length;
    for (let index = from; request.stream && index < 5; index += 1)
      say({ kind: 'chunk', requestId: request.requestId, chunk: { index, text: '.', tokens: [index] } });
    answer(request.requestId, { text, batch: message.requests.length });
  }
  if (!isOpen) say({ kind: 'idle', heardRuns, answers: [] });
});
`;
const [NODE, PID] = ['n1' as NodeId, 'p1-1' as ProcessId];
let server: TestNatsServer;
let connection: NatsConnection;
let jsm: JetStreamManager;
let folder: string;
let count = 0;

beforeAll(async () => {
  server = await startNatsServer();
  connection = await connect({ servers: server.url });
  jsm = await connection.jetstreamManager(PATIENT);
  await writeLeader(await connection.jetstream(PATIENT).views.kv(BUCKETS.leader), { epoch: 1 });
  await jsm.streams.add({ name: STREAMS.results, subjects: ['llmos.v1.result.*.*'] });
  await jsm.streams.add({ name: STREAMS.streams, subjects: ['llmos.v1.stream.*.*'] });
  folder = mkdtempSync(join(tmpdir(), 'llmos-host-'));
  writeFileSync(join(folder, 'thread.js'), THREAD);
});

afterAll(async () => {
  await connection?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function spec(body: string, more: Partial<AttemptSpec> = {}): AttemptSpec {
  count += 1;
  const task = `t${count}` as TaskId;
  return {
    tenant: 'acme' as TenantId,
    task,
    attempt: 1,
    function: 'embed' as FunctionName,
    class: 'standard',
    priority: 5,
    sequence: count,
    deadlineAtMs: Infinity,
    stream: false,
    format: 'json',
    root: task,
    body: Buffer.from(body),
    ...more,
  };
}

const outputOf = async (of: AttemptSpec): Promise<unknown> => {
  const query = { last_by_subj: subjects.result(of) };
  return (await jsm.streams.getMessage(STREAMS.results, query)).json<{ output: unknown }>().output;
};

describe('a process host', () => {
  const messages: FromHost[] = [];
  const crashes: string[] = [];
  const leaves: string[] = [];
  const reports: ReceivedReport[] = [];
  let host: ProcessHost | undefined;
  let listening: Subscription | undefined;

  beforeEach(async () => {
    for (const list of [messages, crashes, leaves, reports]) list.length = 0;
    listening = connection.subscribe(subjects.report({ node: NODE, process: PID }), {
      callback: (_error, message) => reports.push(decodeReport(message.data)),
    });
    host = await startProcessHost({
      spec: {
        node: NODE,
        pid: PID,
        incarnation: 1,
        target: asTarget('m@1'),
        servers: [server.url],
        logLevel: 'silent',
        device: 'cpu',
        cores: 1,
        threadHeapBytes: 64 * 1024 * 1024,
        model: { packageFolder: folder, manifest: { task: 'embed', graph: 'g' } },
      },
      log: silentLogger,
      tell: (message) => messages.push(message),
      crash: (message) => crashes.push(message),
      leave: (message) => leaves.push(message),
      threadEntry: join(folder, 'thread.js'),
    });
  });
  afterEach(async () => {
    await host?.stop(0);
    listening?.unsubscribe();
  });

  const send = (command: MailboxCommand): void =>
    connection.publish(
      subjects.mailbox({ node: NODE, process: PID }),
      encodeMailboxMessage({ epoch: 1, incarnation: 1, command }, AT_ZERO),
    );
  const accepted = (of: AttemptSpec) =>
    waitFor(() => reports.some((report) => report.accepted.some(({ task }) => task === of.task)), {
      what: `the acceptance of ${of.task}`,
    });
  const end = (of: AttemptSpec) =>
    waitFor(
      () =>
        reports.flatMap((report) => report.finished).find((entry) => entry.ref.task === of.task)
          ?.outcome,
      { what: `the end of ${of.task}` },
    );

  it('is ready with its permits, and runs what comes together in one step', async () => {
    expect(messages[0]).toMatchObject({ kind: 'ready', device: 'cpu', permits: 64 });
    const first = spec('later');
    const all = ['a', 'b', 'c'].map((body) => spec(body));
    // While the thread is busy, the others come in.
    for (const each of [first, ...all]) {
      send({ kind: 'execute', spec: each });
      await accepted(each);
    }
    send({ kind: 'cancel', attempt: first, reason: 'CANCELLED' });
    for (const each of all) expect(await end(each)).toEqual({ kind: 'committed', ok: true });
    const outputs = await Promise.all(all.map((each) => outputOf(each)));
    expect(outputs).toEqual(['a', 'b', 'c'].map((text) => ({ text, batch: 3 })));
  });

  it('streams the tokens of its thread', async () => {
    const of = spec('story', { function: 'generate' as FunctionName, stream: true });
    send({ kind: 'execute', spec: of });
    await end(of);
    const last = await jsm.streams.getMessage(STREAMS.streams, {
      last_by_subj: subjects.stream(of),
    });
    const chunk = last.json<{ index: number; tokens: number[] }>();
    expect(chunk.index + chunk.tokens.length).toBe(5);
  });

  it('cancels what runs and commits nothing for it', async () => {
    const of = spec('later');
    send({ kind: 'execute', spec: of });
    await accepted(of);
    send({ kind: 'cancel', attempt: of, reason: 'CANCELLED' });
    expect(await end(of)).toEqual({ kind: 'stopped', reason: 'CANCELLED' });
    await expect(outputOf(of)).rejects.toThrow('no message found');
  });

  it('ends a task that needs more memory than a thread has, and leaves in order', async () => {
    const of = spec('hoard');
    send({ kind: 'execute', spec: of });
    expect(await end(of)).toEqual({
      kind: 'committed',
      ok: false,
      errorCode: 'RESOURCE_EXHAUSTED',
    });
    const query = { last_by_subj: subjects.result(of) };
    const stored = await jsm.streams.getMessage(STREAMS.results, query);
    expect(stored.json()).toMatchObject({
      error: { retryable: false, message: expect.stringContaining('67108864 bytes') as string },
    });
    send({ kind: 'confirm', attempts: [of] });
    await waitFor(() => leaves.length > 0, { what: 'the host to leave' });
    expect(leaves[0]).toContain('needs more than 67108864 bytes of memory');
    expect(crashes).toEqual([]);
  });

  it('tells of tasks that ran together that one of them needs too much memory', async () => {
    const first = spec('later');
    const all = [spec('hoard'), spec('a')];
    for (const each of [first, ...all]) {
      send({ kind: 'execute', spec: each });
      await accepted(each);
    }
    send({ kind: 'cancel', attempt: first, reason: 'CANCELLED' });
    for (const each of all) {
      expect(await end(each)).toMatchObject({
        kind: 'failed',
        error: { code: 'RESOURCE_EXHAUSTED', retryable: true },
        isSuspect: true,
      });
    }
    send({ kind: 'confirm', attempts: [first, ...all] });
    await waitFor(() => leaves.length > 0, { what: 'the host to leave' });
    expect(crashes).toEqual([]);
  });

  it('leaves when a thread dies', async () => {
    send({ kind: 'execute', spec: spec('die') });
    await waitFor(() => crashes.length > 0, { what: 'the crash' });
    expect(crashes[0]).toContain('exited with code 3');
  });
});

describe('the model cache', () => {
  it('fetches a package from the object store, verifies it, and repairs damage', async () => {
    const store = await connection.jetstream(PATIENT).views.os(PACKAGE_STORE);
    const files = [];
    // Several pieces, exactly one, and none.
    for (const [path, bytes] of [
      ['onnx/model.onnx', Buffer.alloc(500_000, 7)],
      ['config.json', Buffer.from('{}')],
      ['empty.txt', Buffer.alloc(0)],
    ] as const) {
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      await store.putBlob({ name: packageObjectName(sha256) }, bytes);
      files.push({ path, sha256, bytes: bytes.length });
    }
    const model: ModelRegistration = {
      name: 'm',
      version: '1',
      digest: 'd'.repeat(64),
      files,
      manifest: { task: 'infer', graph: 'onnx/model.onnx' },
      footprintBytes: 0,
      addedWallMs: 0,
    };
    const cache = new ModelCache({
      disk: await openPackageDisk({
        folder: join(folder, 'cache'),
        owner: NODE,
        clock: systemClock,
      }),
      store: await createModelStore(connection, silentLogger),
      limitBytes: 1e9,
      clock: systemClock,
      log: silentLogger,
    });
    const path = (await cache.acquire(model, () => undefined)).folder;
    expect(readFileSync(join(path, 'onnx/model.onnx')).length).toBe(500_000);
    expect(readFileSync(join(path, 'empty.txt')).length).toBe(0);
    writeFileSync(join(path, 'config.json'), '[]');
    await cache.acquire(model, () => undefined);
    expect(readFileSync(join(path, 'config.json'), 'utf8')).toBe('{}');
    const missing = [{ path: 'x', sha256: 'e'.repeat(64), bytes: 1 }];
    await expect(
      cache.acquire({ ...model, digest: 'e'.repeat(64), files: missing }, () => undefined),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

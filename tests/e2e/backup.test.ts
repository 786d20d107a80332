/**
 * One NATS server → three → one, with data, by `llmos backup` and `llmos restore` alone: nothing that
 * was acknowledged is lost on the way. `LLMOS_TEST_NATS_SERVER` names the server program.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '@llmos/cli';
import { connect as connectLlmos } from '@llmos/sdk';
import type { LlmosClient } from '@llmos/sdk';
import { checkPackage } from '@llmos/worker';
import { AckPolicy, connect, headers as newHeaders } from 'nats';
import type { JetStreamManager, NatsConnection } from 'nats';
import { startNatsCluster } from '../support/nats-cluster';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestProgram } from '../support/programs';
import { LONG_LEASES, startKernel, startWorker } from '../support/programs';
import { shippedModel } from '../support/test-system';

const MIB = 1024 * 1024;
const TASKS = 250;
const CALL = { timeoutMs: 180_000 };
const DONE = 20;
const READ = 5;
const MODEL = 'support-intents';
const READER = 'someone-elses';
const TEXT = 'Where is my card?';

let folder: string;
let closers: (() => Promise<unknown>)[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-backup-'));
  closers = [];
});
afterEach(async () => {
  for (const close of closers.reverse()) await close().catch(() => undefined);
  rmSync(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

async function llmos(args: readonly string[], signal?: AbortSignal): Promise<Outcome> {
  let [out, err] = ['', ''];
  const exitCode = await runCli(args, {
    out: { write: (text) => (out += text) },
    err: { write: (text) => (err += text) },
    env: { XDG_CONFIG_HOME: '/nowhere', PATH: process.env['PATH'] },
    folder: '/nowhere',
    signal: signal ?? new AbortController().signal,
    readStdin: async () => '',
  });
  return { exitCode, out, err };
}

interface Report {
  readonly streams: readonly { readonly name: string; readonly messages: number }[];
  readonly replicas?: number;
  readonly skipped?: readonly string[];
}

async function reportOf(args: readonly string[]): Promise<Report> {
  const outcome = await llmos([...args, '--json']);
  expect(outcome).toMatchObject({ exitCode: 0, err: '' });
  return JSON.parse(outcome.out) as Report;
}

async function refusalOf(args: readonly string[]): Promise<string> {
  const { exitCode, err } = await llmos(args);
  expect(exitCode).toBe(1);
  return err;
}

interface Running {
  readonly os: LlmosClient;
  startWorker(): Promise<TestProgram>;
  /** Workers, kernel and client. */
  stop(): Promise<void>;
}

async function startOn(url: string): Promise<Running> {
  const started: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (let close = started.pop(); close !== undefined; close = started.pop()) await close();
  };
  closers.push(stop);
  const env = { LLMOS_SERVERS: url, LLMOS_STORAGE_BYTES: String(256 * MIB) };
  const kernel = await startKernel({ env: { ...env, ...LONG_LEASES } });
  started.push(() => kernel.stop());
  const os = await connectLlmos({ servers: url, principal: 'operator', ...CALL });
  started.push(() => os.close());
  return {
    os,
    startWorker: async () => {
      const worker = await startWorker({
        env: { LLMOS_SERVERS: url, LLMOS_NODE: 'node-1', LLMOS_CACHE_DIR: join(folder, 'cache') },
      });
      started.push(() => worker.stop());
      return worker;
    },
    stop,
  };
}

async function connectTo(url: string): Promise<NatsConnection> {
  const connection = await connect({ servers: url.split(',') });
  closers.push(() => connection.close());
  return connection;
}

async function managerOf(url: string): Promise<JetStreamManager> {
  return (await connectTo(url)).jetstreamManager({ ...PATIENT, checkAPI: false });
}

/** What must be the same before and after; servers of other versions add fields of their own. */
async function holdingsOf(manager: JetStreamManager): Promise<Record<string, object>> {
  const holdings: Record<string, object> = {};
  for await (const { config, state } of manager.streams.list()) {
    const { messages, bytes, first_seq, last_seq } = state;
    const { subjects, retention, max_bytes, max_age, discard, duplicate_window } = config;
    const kept = { subjects, retention, max_bytes, max_age, discard, duplicate_window };
    // An empty stream counts from 0 at first, and from the next number once it was read anew.
    const first = messages === 0 ? undefined : first_seq;
    holdings[config.name] = { messages, bytes, first, last_seq, ...kept };
  }
  return holdings;
}

/** Results, a model, a dead letter and a reader of events; then tasks that nobody has run yet. */
async function fill(running: Running, url: string): Promise<void> {
  const { os } = running;
  const worker = await running.startWorker();
  const path = shippedModel(MODEL);
  await os.addModel({ name: MODEL, folder: path, description: await checkPackage(path) });
  for (let n = 0; n < DONE; n += 1) {
    await (await os.submit('echo', { done: n }, { id: `done-${n}` })).result(CALL);
  }
  await os.classify({ model: MODEL, text: TEXT });
  const connection = await connectTo(url);
  const letter = newHeaders();
  const fields = { Id: 'dead-1', Class: 'batch', Reason: 'attempts-exhausted', Attempts: '3' };
  for (const [name, value] of Object.entries(fields)) letter.set(`Llmos-${name}`, value);
  const jetstream = connection.jetstream(PATIENT);
  await jetstream.publish('llmos.v1.dead.default.echo', '{"again":true}', { headers: letter });
  await readSomeEvents(connection);
  await worker.stop();
  for (let n = 0; n < TASKS; n += 1) {
    await os.submit('echo', { task: n }, { id: `task-${n}`, class: 'batch' });
  }
}

/** A durable consumer of someone else's: it goes on where it stopped. */
async function readSomeEvents(connection: NatsConnection): Promise<void> {
  const manager = await connection.jetstreamManager(PATIENT);
  await manager.consumers.add('LLMOS_EVENTS', {
    durable_name: READER,
    ack_policy: AckPolicy.Explicit,
  });
  const reader = await connection.jetstream(PATIENT).consumers.get('LLMOS_EVENTS', READER);
  for (let n = 0; n < READ; n += 1) await (await reader.next())?.ackAck();
}

async function assertAllThere(running: Running, manager: JetStreamManager): Promise<void> {
  const { os } = running;
  expect((await os.models()).map(({ name }) => name)).toEqual([MODEL]);
  expect((await os.deadLetters.list()).map(({ id }) => id)).toEqual(['dead-1']);
  const reader = await manager.consumers.info('LLMOS_EVENTS', READER);
  expect(reader.ack_floor.stream_seq).toBeGreaterThanOrEqual(READ);
  for (let n = 0; n < DONE; n += 1) {
    expect(await os.task(`done-${n}`).result(CALL)).toEqual({ done: n });
  }
  for (let n = 0; n < TASKS; n += 1) {
    expect(await os.task(`task-${n}`).result(CALL)).toEqual({ task: n });
  }
  const output = await os.classify({ model: MODEL, text: TEXT });
  expect(output.labels?.[0]?.label).toEqual(expect.any(String));
}

it('one server → three → one keeps tasks, results, models and dead letters', async () => {
  const one = await startNatsServer();
  closers.push(() => one.stop());
  const first = await startOn(one.url);
  await fill(first, one.url);
  const { epoch } = await first.os.info();
  const backup = join(folder, 'one');
  expect(await refusalOf(['backup', backup, '--nats', one.url])).toContain('a kernel works');
  await first.stop();

  const manager = await managerOf(one.url);
  const before = await holdingsOf(manager);
  const taken = await reportOf(['backup', backup, '--nats', one.url]);
  expect(taken.streams).toContainEqual(
    expect.objectContaining({ name: 'LLMOS_TASKS', messages: TASKS }),
  );
  expect(await holdingsOf(manager)).toEqual(before);

  const three = await startNatsCluster();
  closers.push(() => three.stop());
  const restored = await reportOf(['restore', backup, '--nats', three.url]);
  expect(restored).toMatchObject({ replicas: 3, skipped: [] });
  const cluster = await managerOf(three.url);
  expect(await holdingsOf(cluster)).toEqual(before);
  for await (const info of cluster.streams.list()) {
    const replicas = info.cluster?.replicas?.map(({ current }) => current);
    expect({ name: info.config.name, replicas }).toMatchObject({ replicas: [true, true] });
  }
  // The same command again finds all of it done.
  const again = await reportOf(['restore', backup, '--nats', three.url]);
  expect(again.skipped).toHaveLength(Object.keys(before).length);

  const second = await startOn(three.url);
  await second.startWorker();
  await assertAllThere(second, cluster);
  expect((await second.os.info()).epoch).toBeGreaterThan(epoch);
  await second.stop();

  const grown = await holdingsOf(cluster);
  await reportOf(['backup', join(folder, 'three'), '--nats', three.url]);
  const last = await startNatsServer();
  closers.push(() => last.stop());
  const back = await reportOf(['restore', join(folder, 'three'), '--nats', last.url]);
  expect(back.replicas).toBe(1);
  const lastManager = await managerOf(last.url);
  expect(await holdingsOf(lastManager)).toEqual(grown);
  const third = await startOn(last.url);
  await third.startWorker();
  await assertAllThere(third, lastManager);
});

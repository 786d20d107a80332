/**
 * Tens of thousands of tasks while nothing can run them: none is lost, the kernel stays small and
 * answers, and once a worker comes they all end. `LLMOS_FLOOD_TASKS` sets how many.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { STREAMS } from '@llmos/base';
import { connect } from 'nats';
import type { JetStreamClient, JetStreamManager, NatsConnection } from 'nats';
import type { TestNatsServer } from '../support/nats-server';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestProgram } from '../support/programs';
import { LONG_LEASES, startKernel, startWorker } from '../support/programs';
import { parseMetrics, sumOf } from '../support/prometheus-text';
import { repositoryFolder } from '../support/shared-folder';
import { waitFor } from '../support/wait-for';

const TASKS = Number(process.env['LLMOS_FLOOD_TASKS'] ?? 20_000);
/** Held before the first measurement: what a kernel needs once is none of a task's. */
const WARM_UP = 1_000;
const ALL = WARM_UP + TASKS;
const LIMIT_MS = 60_000 + TASKS * 10;
/** Beyond the body of the message. */
const GOAL_BYTES_PER_TASK = 1_024;
const PUBLISHES_AT_ONCE = 500;
const SUBJECT = 'llmos.v1.task.standard.default.echo';
const closers: (() => Promise<unknown>)[] = [];

let folder: string;
let nats: TestNatsServer;
let kernel: TestProgram;
let connection: NatsConnection;
let jetstream: JetStreamClient;
let manager: JetStreamManager;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-flood-'));
  closers.push(() => Promise.resolve(rmSync(folder, { recursive: true, force: true })));
  nats = await startNatsServer();
  closers.push(() => nats.stop());
  const preload = join(repositoryFolder, 'tests/support/collect-garbage.cjs');
  const env = {
    LLMOS_SERVERS: nats.url,
    NODE_OPTIONS: `--require ${preload}`,
    // A machine without time to spare must not change leaders in the middle of the measurement.
    ...LONG_LEASES,
  };
  kernel = await startKernel({ env });
  closers.push(() => kernel.stop());
  connection = await connect({ servers: nats.url });
  closers.push(() => connection.close());
  jetstream = connection.jetstream(PATIENT);
  manager = await connection.jetstreamManager(PATIENT);
  await waitFor(async () => (await metric('llmos_kernel_is_leader')) === 1, { what: 'a leader' });
});
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

async function metric(...names: string[]): Promise<number> {
  const text = await (await fetch(`${kernel.ready.httpUrl}/metrics`)).text();
  const families = parseMetrics(text);
  return names.reduce((sum, name) => sum + sumOf(families, name), 0);
}

/** The least of several looks: what one collection frees may hold what only the next one frees. */
async function usedBytes(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 1; look <= 5; look += 1) {
    process.kill(kernel.osPid, 'SIGUSR2');
    // Answered after the signal: the collection blocks the kernel's only thread.
    await metric();
    const used = await metric('nodejs_heap_size_used_bytes', 'nodejs_external_memory_bytes');
    least = Math.min(least, used);
  }
  return least;
}

async function countOf(stream: string): Promise<number> {
  return (await manager.streams.info(stream)).state.messages;
}

/** Publishes that many, and answers how many bytes their bodies have. */
async function flood(count: number): Promise<number> {
  let bodyBytes = 0;
  for (let first = 0; first < count; first += PUBLISHES_AT_ONCE) {
    const length = Math.min(PUBLISHES_AT_ONCE, count - first);
    const bodies = Array.from({ length }, (_, index) => JSON.stringify({ task: first + index }));
    await Promise.all(bodies.map((body) => jetstream.publish(SUBJECT, body)));
    bodyBytes += bodies.reduce((sum, body) => sum + body.length, 0);
    const answer = await connection.request('llmos.v1.sys.default.info', '', { timeout: 60_000 });
    expect(answer.json<{ ok: boolean }>().ok).toBe(true);
  }
  return bodyBytes;
}

async function untilHeld(count: number): Promise<void> {
  await waitFor(async () => (await metric('llmos_kernel_held_tasks')) === count, {
    what: `the kernel to hold ${count} tasks`,
    limitMs: LIMIT_MS,
  });
}

it(
  `holds ${TASKS} waiting tasks in at most 1 kB each, answers meanwhile, and loses none`,
  async () => {
    await flood(WARM_UP);
    await untilHeld(WARM_UP);
    const before = await usedBytes();
    const bodyBytes = await flood(TASKS);
    await untilHeld(ALL);
    const bytesPerTask = ((await usedBytes()) - before - bodyBytes) / TASKS;
    process.stdout.write(`kernel memory per waiting task: ${Math.round(bytesPerTask)} bytes\n`);
    expect(bytesPerTask).toBeLessThan(GOAL_BYTES_PER_TASK);
    expect(await countOf(STREAMS.tasks)).toBe(ALL);

    const worker = await startWorker({
      env: { LLMOS_SERVERS: nats.url, LLMOS_NODE: 'node-1', LLMOS_CACHE_DIR: folder },
    });
    closers.push(() => worker.stop());
    await waitFor(async () => (await countOf(STREAMS.tasks)) === 0, {
      what: 'every task to end',
      limitMs: LIMIT_MS,
      everyMs: 200,
    });
    expect(await countOf(STREAMS.results)).toBe(ALL);
    const finished = parseMetrics(await (await fetch(`${kernel.ready.httpUrl}/metrics`)).text());
    expect(sumOf(finished, 'llmos_kernel_tasks_finished_total', { code: 'OK' })).toBe(ALL);
  },
  2 * LIMIT_MS,
);

/**
 * `node tests/dist/bench/takeover.js`: two kernels with the memory of deploy/kubernetes/base, many
 * waiting tasks, and a leader that is killed again and again. How long until a call of another
 * tenant is answered, what the leases did, what memory it took, and whether anything was lost.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { BUCKETS, STREAMS, decodeJson, encodeJson, subjects, asToken } from '@llmos/base';
import type { TaskId, TenantId } from '@llmos/base';
import { connect, headers as newHeaders } from 'nats';
import type { JetStreamManager, NatsConnection } from 'nats';
import { FakeNode } from '../support/fake-node';
import { startNatsServer } from '../support/nats-server';
import type { TestProgram } from '../support/programs';
import { startKernel } from '../support/programs';
import { parseMetrics, sumOf } from '../support/prometheus-text';
import { waitFor } from '../support/wait-for';

const HELP = `Kills the leader of two kernels again and again while tasks wait; prints figures as JSON.

  node tests/dist/bench/takeover.js [--tasks 440000] [--kills 5] [--heap 1152] [--ids] [--results N]

--ids: the tasks have ids of their own, so each must be looked up; --results: that many of them have
their result already.`;

const TENANTS = 4;
const SLOW_MODEL = 'slow';
const AT_ONCE = 5_000;
const LIMIT_MS = 20 * 60_000;

interface Options {
  readonly tasks: number;
  readonly kills: number;
  readonly heapMib: number;
  readonly hasIds: boolean;
  readonly results: number;
}

function readOptions(args: readonly string[]): Options {
  const valueOf = (name: string, fallback: number): number => {
    const at = args.indexOf(name);
    return at < 0 ? fallback : Number(args[at + 1]);
  };
  return {
    tasks: valueOf('--tasks', 440_000),
    kills: valueOf('--kills', 5),
    heapMib: valueOf('--heap', 1_152),
    hasIds: args.includes('--ids'),
    results: valueOf('--results', 0),
  };
}

interface Bench {
  readonly options: Options;
  readonly natsUrl: string;
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly kernels: TestProgram[];
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) return void process.stdout.write(`${HELP}\n`);
  const options = readOptions(args);
  const folder = mkdtempSync(join(tmpdir(), 'llmos-takeover-'));
  const nats = await startNatsServer();
  const connection = await connect({ servers: nats.url });
  const manager = await connection.jetstreamManager({ timeout: 60_000 });
  const bench: Bench = { options, natsUrl: nats.url, connection, manager, kernels: [] };
  let node: FakeNode | undefined;
  try {
    bench.kernels.push(await start(bench, 0));
    await untilLeader(bench);
    node = await FakeNode.start({
      natsUrl: nats.url,
      beforeReady: (target) =>
        target.startsWith(SLOW_MODEL) ? new Promise(() => undefined) : Promise.resolve(),
    });
    await addSlowModel(bench);
    bench.kernels.push(await start(bench, 1));
    await echo(bench, 60_000);
    say('filling');
    const filling = probe(bench);
    await fill(bench);
    await untilIntakeComplete(bench, options.tasks);
    say('filled', { slowestEchoMs: Math.round(await filling()), ...(await figures(bench)) });
    for (let kill = 1; kill <= options.kills; kill += 1) await killLeader(bench, kill);
    const left = (await manager.streams.info(STREAMS.tasks)).state.messages;
    say('end', { tasks: options.tasks, left, ended: options.results });
    process.exitCode = left === options.tasks - options.results ? 0 : 1;
  } finally {
    await node?.close();
    for (const kernel of bench.kernels) await kernel.kill();
    await connection.close();
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function say(what: string, fields: Record<string, unknown> = {}): void {
  process.stdout.write(
    `${JSON.stringify({ at: Math.round(performance.now()), what, ...fields })}\n`,
  );
}

function start(bench: Bench, index: number): Promise<TestProgram> {
  return startKernel({
    env: {
      LLMOS_SERVERS: bench.natsUrl,
      LLMOS_KERNEL_ID: `kernel-${index}-${Date.now()}`,
      NODE_OPTIONS: `--max-old-space-size=${bench.options.heapMib}`,
    },
  });
}

async function addSlowModel({ connection }: Bench): Promise<void> {
  const bucket = await connection.jetstream().views.kv(BUCKETS.models, { bindOnly: true });
  const registration = {
    name: SLOW_MODEL,
    version: '1',
    digest: 'a'.repeat(64),
    files: [{ path: 'model.onnx', sha256: 'a'.repeat(64), bytes: 1 }],
    manifest: { task: 'embed', graph: 'model.onnx' },
    footprintBytes: 1024 * 1024,
    addedWallMs: 0,
  };
  await bucket.put(`${SLOW_MODEL}/1`, encodeJson(registration));
}

async function fill({ connection, manager, options }: Bench): Promise<void> {
  const body = encodeJson({ model: SLOW_MODEL, text: 'I am still waiting on my card' });
  for (let first = 0; first < options.tasks; first += AT_ONCE) {
    for (let index = first; index < Math.min(options.tasks, first + AT_ONCE); index += 1) {
      const tenant = `bulk-${index % TENANTS}`;
      const id = asToken<TaskId>(`task-${index}`);
      if (index < options.results) {
        const subject = subjects.result({ tenant: asToken<TenantId>(tenant), task: id });
        connection.publish(subject, encodeJson({ ok: true, output: {} }));
      }
      const headers = newHeaders();
      if (options.hasIds) headers.set('Llmos-Id', id);
      const more = options.hasIds ? { headers } : {};
      connection.publish(`llmos.v1.task.batch.${tenant}.embed`, body, more);
    }
    await connection.flush();
    // The streams store what comes faster than it is acknowledged only up to a point.
    await manager.streams.info(STREAMS.tasks);
  }
}

async function metrics(kernel: TestProgram): Promise<ReturnType<typeof parseMetrics>> {
  const answer = await fetch(`${kernel.ready.httpUrl}/metrics`, {
    signal: AbortSignal.timeout(30_000),
  });
  return parseMetrics(await answer.text());
}

async function leaderOf(bench: Bench): Promise<TestProgram | undefined> {
  for (const kernel of bench.kernels) {
    const families = await metrics(kernel).catch(() => undefined);
    if (families !== undefined && sumOf(families, 'llmos_kernel_is_leader') === 1) return kernel;
  }
  return undefined;
}

async function untilLeader(bench: Bench): Promise<TestProgram> {
  await waitFor(async () => (await leaderOf(bench)) !== undefined, {
    what: 'a leader',
    limitMs: LIMIT_MS,
  });
  return (await leaderOf(bench)) as TestProgram;
}

async function echo({ connection }: Bench, timeoutMs: number): Promise<number> {
  const sentMs = performance.now();
  const body = encodeJson({ hello: 1 });
  const reply = await connection.request('llmos.v1.call.other.echo', body, { timeout: timeoutMs });
  const answer = decodeJson(reply.data) as { ok: boolean };
  if (!answer.ok) throw new Error(`echo: ${JSON.stringify(answer)}`);
  return performance.now() - sentMs;
}

/** Calls one after the other; answers the slowest one when stopped. */
function probe(bench: Bench): () => Promise<number> {
  let isStopped = false;
  let slowestMs = 0;
  const run = async (): Promise<void> => {
    while (!isStopped) {
      const sentMs = performance.now();
      await echo(bench, 60_000).catch((error: unknown) =>
        say('echo-failed', { error: String(error) }),
      );
      slowestMs = Math.max(slowestMs, performance.now() - sentMs);
      await pause(20);
    }
  };
  const running = run();
  return async () => {
    isStopped = true;
    await running;
    return slowestMs;
  };
}

async function untilIntakeComplete(bench: Bench, tasks: number): Promise<void> {
  await waitFor(
    async () => {
      const kernel = await leaderOf(bench);
      if (kernel === undefined) return false;
      const held = sumOf(await metrics(kernel), 'llmos_kernel_held_tasks');
      const stored = (await bench.manager.streams.info(STREAMS.tasks)).state.messages;
      const expected = tasks - bench.options.results;
      return stored <= expected + 5 && held >= expected;
    },
    { what: `${tasks} tasks to be taken in`, limitMs: LIMIT_MS, everyMs: 500 },
  );
}

function peakRssMib(osPid: number): number {
  const status = readFileSync(`/proc/${osPid}/status`, 'utf8');
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024);
}

async function figures(bench: Bench): Promise<Record<string, unknown>> {
  const kernel = await untilLeader(bench);
  const families = await metrics(kernel);
  return {
    peakRssMib: bench.kernels.map(({ osPid }) => peakRssMib(osPid)),
    heapUsedMib: Math.round(sumOf(families, 'nodejs_heap_size_used_bytes') / 1024 ** 2),
    held: sumOf(families, 'llmos_kernel_held_tasks'),
    ended: bench.kernels.map((each) => (each.log().match(/leadership-ended/g) ?? []).length),
    late: bench.kernels.map((each) => (each.log().match(/lease-renewal-failed/g) ?? []).length),
  };
}

async function killLeader(bench: Bench, kill: number): Promise<void> {
  const leader = await untilLeader(bench);
  const index = bench.kernels.indexOf(leader);
  const killedMs = performance.now();
  await leader.kill();
  const restarting = start(bench, index);
  let answeredMs: number | undefined;
  while (answeredMs === undefined) {
    const isAnswered = await echo(bench, 1_000).then(
      () => true,
      () => false,
    );
    if (isAnswered) answeredMs = performance.now() - killedMs;
  }
  say('answered', { kill, firstEchoMs: Math.round(answeredMs) });
  bench.kernels[index] = await restarting;
  const probing = probe(bench);
  await untilIntakeComplete(bench, bench.options.tasks);
  const intakeMs = Math.round(performance.now() - killedMs);
  say('taken-over', {
    kill,
    firstEchoMs: Math.round(answeredMs),
    intakeMs,
    slowestEchoMs: Math.round(await probing()),
    ...(await figures(bench)),
  });
}

void main();

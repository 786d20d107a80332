/**
 * Two kernels with the memory of deploy/kubernetes/base, many waiting tasks, and a leader that is
 * killed again and again. How long until a call of another tenant is answered, what the leases did,
 * what memory it took, and whether anything was lost.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { TaskId, TenantId } from '@llmos/base';
import { BUCKETS, STREAMS, asToken, decodeJson, encodeJson, subjects } from '@llmos/base';
import { connect, headers as newHeaders } from 'nats';
import type { JetStreamManager, NatsConnection } from 'nats';
import { FakeNode } from '../support/fake-node';
import { startNatsServer } from '../support/nats-server';
import type { TestProgram } from '../support/programs';
import { startKernel } from '../support/programs';
import { parseMetrics, sumOf } from '../support/prometheus-text';
import { waitFor } from '../support/wait-for';
import { MemoryGroup } from './memory-group';

const TENANTS = 4;
const SLOW_MODEL = 'slow';
const AT_ONCE = 5_000;
const LIMIT_MS = 20 * 60_000;

export interface TakeoverOptions {
  readonly tasks: number;
  readonly kills: number;
  /** `--max-old-space-size` of each kernel. */
  readonly heapMib: number;
  /** What the operating system allows each kernel, in MiB; undefined: no limit. */
  readonly limitMib?: number;
  /** The tasks have ids of their own, so each must be looked up. */
  readonly hasIds: boolean;
  /** So many of them have their result already. */
  readonly results: number;
  readonly say: (what: string, fields?: Record<string, unknown>) => void;
}

/** After a kill of the leader, until the next one has taken everything in. */
export interface TakeoverFigures {
  readonly firstEchoMs: number;
  readonly intakeMs: number;
  /** Of another tenant's calls while the intake went on. */
  readonly slowestEchoMs: number;
}

export interface TakeoverReport {
  readonly takeovers: readonly TakeoverFigures[];
  /** Of the largest kernel. */
  readonly peakRssMib: number;
  /** The same as its limit counts it, where there was one. */
  readonly peakGroupMib?: number;
  /** Leaderships that ended otherwise than by a kill. */
  readonly leasesLost: number;
  /** Tasks in the stream at the end, and how many should be. */
  readonly left: number;
  readonly expected: number;
  /** All waiting tasks ended, because their model was removed. */
  readonly removal: {
    readonly elapsedMs: number;
    readonly slowestEchoMs: number;
    /** Results stored at the end; each task should have one. */
    readonly results: number;
  };
}

interface Bench {
  readonly options: TakeoverOptions;
  readonly natsUrl: string;
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly kernels: TestProgram[];
  /** Those that are gone, too. */
  readonly started: TestProgram[];
  readonly groups: MemoryGroup[];
  peakRssMib: number;
}

export async function benchTakeover(options: TakeoverOptions): Promise<TakeoverReport> {
  const nats = await startNatsServer();
  const connection = await connect({ servers: nats.url });
  const manager = await connection.jetstreamManager({ timeout: 60_000 });
  const shared = { options, natsUrl: nats.url, connection, manager };
  const bench: Bench = { ...shared, kernels: [], started: [], groups: [], peakRssMib: 0 };
  let node: FakeNode | undefined;
  try {
    bench.kernels.push(await start(bench, 0));
    await untilLeader(bench);
    node = await FakeNode.start({
      natsUrl: nats.url,
      beforeReady: (target) =>
        target.startsWith(SLOW_MODEL) ? new Promise(() => undefined) : Promise.resolve(),
    });
    await setSlowModel(bench, true);
    bench.kernels.push(await start(bench, 1));
    await echo(bench, 60_000);
    return await measure(bench);
  } finally {
    await node?.close();
    for (const kernel of bench.kernels) await kernel.kill();
    await connection.close();
    await nats.stop();
    for (const group of bench.groups) group.remove();
  }
}

async function measure(bench: Bench): Promise<TakeoverReport> {
  const { options } = bench;
  const filling = probe(bench);
  await fill(bench);
  await untilIntakeComplete(bench);
  options.say('filled', { slowestEchoMs: await filling() });
  const takeovers: TakeoverFigures[] = [];
  for (let kill = 1; kill <= options.kills; kill += 1) {
    const figures = await killLeader(bench);
    takeovers.push(figures);
    options.say('taken-over', { kill, ...figures, peakRssMib: bench.peakRssMib });
  }
  const left = await storedTasks(bench);
  const removal = await removeModel(bench);
  const endings = bench.started.map(
    (kernel) => (kernel.log().match(/"event":"leadership-ended"/g) ?? []).length,
  );
  return {
    takeovers,
    peakRssMib: bench.peakRssMib,
    ...(bench.groups.length === 0
      ? {}
      : { peakGroupMib: Math.max(...bench.groups.map((group) => group.peakMib())) }),
    leasesLost: endings.reduce((sum, count) => sum + count, 0),
    left,
    expected: options.tasks - options.results,
    removal,
  };
}

async function killLeader(bench: Bench): Promise<TakeoverFigures> {
  const leader = await untilLeader(bench);
  const index = bench.kernels.indexOf(leader);
  notePeak(bench);
  const killedMs = performance.now();
  await leader.kill();
  const restarting = start(bench, index);
  let firstEchoMs: number | undefined;
  while (firstEchoMs === undefined) {
    const isAnswered = await echo(bench, 1_000).then(
      () => true,
      () => false,
    );
    if (isAnswered) firstEchoMs = Math.round(performance.now() - killedMs);
  }
  bench.kernels[index] = await restarting;
  const probing = probe(bench);
  await untilIntakeComplete(bench);
  notePeak(bench);
  const intakeMs = Math.round(performance.now() - killedMs);
  return { firstEchoMs, intakeMs, slowestEchoMs: await probing() };
}

async function removeModel(bench: Bench): Promise<TakeoverReport['removal']> {
  const startedMs = performance.now();
  const probing = probe(bench);
  await setSlowModel(bench, false);
  // Calls of the probe come and go.
  await waitFor(async () => (await storedTasks(bench)) < 3, {
    what: 'the tasks of the removed model to end',
    limitMs: LIMIT_MS,
    everyMs: 100,
  });
  notePeak(bench);
  const elapsedMs = Math.round(performance.now() - startedMs);
  const slowestEchoMs = await probing();
  const { state } = await bench.manager.streams.info(STREAMS.results);
  return { elapsedMs, slowestEchoMs, results: state.messages };
}

async function start(bench: Bench, index: number): Promise<TestProgram> {
  const kernel = await startKernel({
    env: {
      LLMOS_SERVERS: bench.natsUrl,
      LLMOS_KERNEL_ID: `kernel-${index}-${Date.now()}`,
      NODE_OPTIONS: `--max-old-space-size=${bench.options.heapMib}`,
    },
  });
  const { limitMib } = bench.options;
  if (limitMib !== undefined) {
    const group = MemoryGroup.create(`llmos-${kernel.osPid}`, limitMib);
    bench.groups.push(group);
    group.add(kernel.osPid);
  }
  bench.started.push(kernel);
  return kernel;
}

/** A model whose process is never ready. */
async function setSlowModel({ connection }: Bench, isThere: boolean): Promise<void> {
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
  if (isThere) await bucket.put(`${SLOW_MODEL}/1`, encodeJson(registration));
  else await bucket.delete(`${SLOW_MODEL}/1`);
}

async function fill({ connection, manager, options }: Bench): Promise<void> {
  const body = encodeJson({ model: SLOW_MODEL, text: 'I am still waiting on my card' });
  for (let first = 0; first < options.tasks; first += AT_ONCE) {
    for (let index = first; index < Math.min(options.tasks, first + AT_ONCE); index += 1) {
      const tenant = asToken<TenantId>(`bulk-${index % TENANTS}`);
      const task = asToken<TaskId>(`task-${index}`);
      if (index < options.results) {
        const result = encodeJson({ ok: true, output: {} });
        connection.publish(subjects.result({ tenant, task }), result);
      }
      const headers = newHeaders();
      if (options.hasIds) headers.set('Llmos-Id', task);
      const more = options.hasIds ? { headers } : {};
      connection.publish(`llmos.v1.task.batch.${tenant}.embed`, body, more);
    }
    await connection.flush();
    // The server must have stored them before it is sent more.
    await manager.streams.info(STREAMS.tasks);
  }
}

async function storedTasks({ manager }: Bench): Promise<number> {
  return (await manager.streams.info(STREAMS.tasks)).state.messages;
}

async function metrics(kernel: TestProgram): Promise<ReturnType<typeof parseMetrics>> {
  const signal = AbortSignal.timeout(30_000);
  const answer = await fetch(`${kernel.ready.httpUrl}/metrics`, { signal });
  return parseMetrics(await answer.text());
}

async function findLeader(bench: Bench): Promise<TestProgram | undefined> {
  for (const kernel of bench.kernels) {
    const families = await metrics(kernel).catch(() => undefined);
    if (families !== undefined && sumOf(families, 'llmos_kernel_is_leader') === 1) return kernel;
  }
  return undefined;
}

async function untilLeader(bench: Bench): Promise<TestProgram> {
  let leader: TestProgram | undefined;
  await waitFor(
    async () => {
      leader = await findLeader(bench);
      return leader !== undefined;
    },
    { what: 'a leader', limitMs: LIMIT_MS },
  );
  if (leader === undefined) throw new Error('no leader');
  return leader;
}

async function untilIntakeComplete(bench: Bench): Promise<void> {
  const expected = bench.options.tasks - bench.options.results;
  await waitFor(
    async () => {
      const leader = await findLeader(bench);
      if (leader === undefined) return false;
      const held = sumOf(await metrics(leader), 'llmos_kernel_held_tasks');
      return held >= expected && (await storedTasks(bench)) < expected + 3;
    },
    { what: `${expected} tasks to be taken in`, limitMs: LIMIT_MS, everyMs: 500 },
  );
}

async function echo({ connection }: Bench, timeoutMs: number): Promise<void> {
  const body = encodeJson({ hello: 1 });
  const reply = await connection.request('llmos.v1.call.other.echo', body, { timeout: timeoutMs });
  const { ok } = decodeJson(reply.data) as { ok: boolean };
  if (!ok) throw new Error(`echo failed: ${reply.string()}`);
}

/** Calls one after the other; answers the slowest one's milliseconds when stopped. */
function probe(bench: Bench): () => Promise<number> {
  let isStopped = false;
  let slowestMs = 0;
  const run = async (): Promise<void> => {
    while (!isStopped) {
      const sentMs = performance.now();
      const failure = await echo(bench, 60_000).catch((error: Error) => error);
      slowestMs = Math.max(slowestMs, performance.now() - sentMs);
      if (failure !== undefined) bench.options.say('echo-failed', { reason: failure.message });
      await pause(failure === undefined ? 20 : 1_000);
    }
  };
  const running = run();
  return async () => {
    isStopped = true;
    await running;
    return Math.round(slowestMs);
  };
}

function notePeak(bench: Bench): void {
  for (const { osPid } of bench.kernels) {
    const status = readFileSync(`/proc/${osPid}/status`, 'utf8');
    const mib = Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024);
    bench.peakRssMib = Math.max(bench.peakRssMib, mib);
  }
}

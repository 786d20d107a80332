/** A server that held everything joins a cluster, which hides it: no kernel begins anew on that. */
import { readKernelConfig, startKernel } from '@llmos/kernel';
import { silentLogger } from '@llmos/base';
import { connect } from 'nats';
import { startKernelBench } from '../support/kernel-under-test';
import type { KernelBench } from '../support/kernel-under-test';
import { clusterConfigs } from '../support/nats-cluster';
import type { TestNatsServer } from '../support/nats-server';
import { PATIENT, startNatsServer } from '../support/nats-server';
import { waitFor } from '../support/wait-for';

const TASKS = 50;

let bench: KernelBench;
let others: readonly TestNatsServer[];
let configs: readonly string[];
beforeEach(async () => {
  configs = await clusterConfigs();
  bench = await startKernelBench();
  others = [];
});
afterEach(async () => {
  await bench.stop();
  for (const server of others) await server.stop();
});

async function fill(): Promise<void> {
  const kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  for (let n = 0; n < TASKS; n += 1) {
    await bench.jetstream.publish('llmos.v1.task.batch.default.echo', `${n}`);
  }
  await kernel.close();
}

/** The servers' URLs, once they have chosen who leads. */
async function joinCluster(): Promise<string> {
  const [own, ...rest] = configs;
  others = await Promise.all(rest.map((config) => startNatsServer({ config })));
  await bench.nats.restart({ config: own ?? '' });
  const url = [...others, bench.nats].map((server) => server.url).join(',');
  const connection = await connect({ servers: url.split(',') });
  try {
    const manager = await connection.jetstreamManager({ timeout: 1_000, checkAPI: false });
    await waitFor(() => manager.getAccountInfo(), { what: 'a leader of the cluster' });
  } finally {
    await connection.close();
  }
  return url;
}

/** How its start ends. */
async function tryStart(servers: string, env: Record<string, string> = {}): Promise<string> {
  const config = readKernelConfig({ LLMOS_SERVERS: servers, ...env });
  try {
    const kernel = await startKernel(config, silentLogger);
    await kernel.close();
    return 'started';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function storedBytes(url: string): Promise<number> {
  const connection = await connect({ servers: url.split(',') });
  try {
    return (await (await connection.jetstreamManager(PATIENT)).getAccountInfo()).storage;
  } finally {
    await connection.close();
  }
}

it('a kernel stops and says so, and the server has everything once it is alone again', async () => {
  await fill();
  const url = await joinCluster();
  expect(await tryStart(url)).toContain('held data that they did not show');
  for (const server of others) await server.kill();
  await bench.nats.restart({ config: '' });
  const manager = await bench.connection.jetstreamManager({ timeout: 1_000, checkAPI: false });
  const tasks = await waitFor(() => manager.streams.info('LLMOS_TASKS'), { what: 'the tasks' });
  expect(tasks.state.messages).toBe(TASKS);
  await bench.untilLeading(await bench.startKernel());
});

it('later kernels stop as well, after the server has deleted it, until it is given up', async () => {
  await fill();
  const url = await joinCluster();
  expect(await tryStart(url)).toContain('held data that they did not show');
  // A server of 2.9 goes on counting what it has deleted.
  const isOld = bench.connection.info?.version.startsWith('2.9.') === true;
  await waitFor(async () => isOld || (await storedBytes(url)) === 0, {
    what: 'the server to delete what it hides',
    everyMs: 500,
  });
  const refusal = await tryStart(url);
  expect(refusal).toContain('LLMOS_MAKE_ANEW=LLMOS_HIDDEN');
  expect(await tryStart(url, { LLMOS_MAKE_ANEW: 'LLMOS_HIDDEN' })).toBe('started');
  expect(await tryStart(url)).toBe('started');
});

it('an empty server is a beginning', async () => {
  expect(await tryStart(bench.nats.url)).toBe('started');
  const { manager } = bench;
  for await (const { config } of manager.streams.list()) await manager.streams.delete(config.name);
  expect(await tryStart(bench.nats.url)).toBe('started');
});

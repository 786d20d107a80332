/** Kernels go on whatever lies in their buckets and comes on their subjects. */
import { BUCKETS } from '@llmos/base';
import { connect } from 'nats';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { modelRow } from '../support/model-rows';
import { PATIENT } from '../support/nats-server';
import { publishUnreadable } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

const WATCHED = [BUCKETS.models, BUCKETS.functions, BUCKETS.processes, BUCKETS.leader];

/** As a kernel leaves it; anything else would have to be silent for a lease first. */
const RELEASED = '{"kernelId":"gone","epoch":1,"isReleased":true}';

const FUNCTIONS = 'llmos.v1.sys.default.functions';

let bench: KernelBench;
beforeEach(async () => {
  bench = await startKernelBench();
});
afterEach(() => bench.stop());

function functionOf(name: string): object {
  const anything = { type: 'object' };
  return { name, description: name, input: anything, output: anything, runs: 'program' };
}

async function putFunction(name: string): Promise<void> {
  const bucket = await bench.jetstream.views.kv(BUCKETS.functions, { bindOnly: true });
  await bucket.put(name, JSON.stringify(functionOf(name)));
}

async function functionNames(): Promise<readonly string[]> {
  // One that is lost while the connection comes back is repeated soon.
  const { output } = await bench.request(FUNCTIONS, {}, { timeoutMs: 2_000 });
  const rows = (output?.['functions'] ?? []) as readonly { name: string }[];
  return rows.map((row) => row.name);
}

async function untilFunction(name: string): Promise<void> {
  await waitFor(async () => (await functionNames()).includes(name), {
    what: `the function ${name} to be known`,
  });
}

const keyOf = (bucket: string): string => (bucket === BUCKETS.leader ? 'leader' : 'bad');

it('starts and leads beside a row with malformed headers in each of its buckets', async () => {
  const first = await bench.startKernel();
  await bench.untilLeading(first);
  await first.close();
  for (const bucket of WATCHED) {
    const subject = `$KV.${bucket}.${keyOf(bucket)}`;
    await publishUnreadable({ url: bench.nats.url, subject, body: RELEASED });
  }
  await bench.untilLeading(await bench.startKernel());
  await putFunction('good');
  await untilFunction('good');
});

it('starts and leads where such rows were purged', async () => {
  const first = await bench.startKernel();
  await bench.untilLeading(first);
  await first.close();
  for (const bucket of WATCHED) {
    const subject = `$KV.${bucket}.${keyOf(bucket)}`;
    await publishUnreadable({ url: bench.nats.url, subject });
    await bench.manager.streams.purge(`KV_${bucket}`, { filter: subject });
  }
  await bench.untilLeading(await bench.startKernel());
  await putFunction('good');
  await untilFunction('good');
});

it('goes on following its buckets after such a row came, and knows all after a reconnect', async () => {
  const kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  await putFunction('first');
  await untilFunction('first');
  for (const bucket of WATCHED) {
    await publishUnreadable({ url: bench.nats.url, subject: `$KV.${bucket}.bad` });
  }
  await putFunction('second');
  await untilFunction('second');
  await bench.nats.kill();
  await bench.nats.restart();
  const direct = await connect({ servers: bench.nats.url });
  const manager = await direct.jetstreamManager(PATIENT);
  const filter = `$KV.${BUCKETS.functions}.first`;
  await manager.streams.purge(`KV_${BUCKETS.functions}`, { filter });
  const third = JSON.stringify(functionOf('third'));
  await direct.jetstream(PATIENT).publish(`$KV.${BUCKETS.functions}.third`, third);
  await direct.close();
  await untilFunction('third');
  expect(await functionNames()).toContain('second');
  await waitFor(async () => !(await functionNames()).includes('first'), {
    what: 'the purged function to be gone',
  });
});

it('lists no row that lies under the key of another model, and those beside it', async () => {
  const kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  const put = (key: string, index: number) =>
    bench.jetstream.publish(`$KV.${BUCKETS.models}.${key}`, JSON.stringify(modelRow(index)));
  await put('other/1', 1);
  await put(`${modelRow(2).name}/1`, 2);
  await waitFor(async () => (await modelNames()).length > 0, { what: 'the model to be known' });
  expect(await modelNames()).toEqual([modelRow(2).name]);
});

async function modelNames(): Promise<readonly string[]> {
  const { output } = await bench.request('llmos.v1.sys.default.models', {});
  return ((output?.['models'] ?? []) as readonly { name: string }[]).map(({ name }) => name);
}

it('answers after messages with malformed headers on every subject that it hears', async () => {
  const kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  for (const subject of [
    'llmos.v1.task.standard.default.echo',
    'llmos.v1.submit.standard.default.echo',
    'llmos.v1.call.standard.default.echo',
    'llmos.v1.sys.default.info',
    'llmos.v1.cancel.default.t1',
    'llmos.v1.report.n1.p1',
    'llmos.v1.result.default.t1',
    'llmos.v1.stream.default.t1',
  ]) {
    await publishUnreadable({ url: bench.nats.url, subject, reply: '_INBOX.nobody' });
  }
  const { output } = await bench.request('llmos.v1.sys.default.info', {});
  expect(output?.['kernel']).toBe(kernel.kernelId);
  expect(kernel.isLeading()).toBe(true);
  await waitFor(
    async () => (await metrics(kernel.httpUrl)).includes('llmos_kernel_tasks_malformed_total 1'),
    { what: 'the task to be refused' },
  );
});

async function metrics(httpUrl: string): Promise<string> {
  return (await fetch(`${httpUrl}/metrics`)).text();
}

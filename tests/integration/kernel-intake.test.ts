/** What the leader's intake does when messages to it are lost on the way. */
import { STREAMS, TASK_CLASSES } from '@llmos/base';
import { Events, headers as newHeaders } from 'nats';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { NatsProxy } from '../support/nats-proxy';
import { rawPublish } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

let bench: KernelBench;
let proxy: NatsProxy;

beforeEach(async () => {
  bench = await startKernelBench();
  proxy = await NatsProxy.start(bench.nats.port);
});
afterEach(async () => {
  await bench.stop();
  await proxy.close();
});

async function delivered(): Promise<number> {
  let count = 0;
  for await (const info of bench.manager.consumers.list(STREAMS.tasks)) {
    count += info.num_ack_pending;
  }
  return count;
}

/** Of every class as many; the tasks of a class have one key, so that they run in their order. */
async function publish(count: number): Promise<void> {
  const headers = newHeaders();
  headers.set('Llmos-Key', 'line');
  for (let index = 0; index < count; index += 1) {
    const taskClass = TASK_CLASSES[index % TASK_CLASSES.length] ?? 'standard';
    await bench.jetstream.publish(`llmos.v1.task.${taskClass}.default.echo`, '1', { headers });
  }
}

async function reconnected(): Promise<void> {
  for await (const { type } of bench.connection.status()) if (type === Events.Reconnect) return;
}

/** A node comes; answers the sequences of the tasks that ran, by class, once all have ended. */
async function runAll(): Promise<number[][]> {
  const node = await bench.startNode();
  const left = async (): Promise<number> =>
    (await bench.manager.streams.info(STREAMS.tasks)).state.messages;
  await waitFor(async () => (await left()) === 0, { what: 'all tasks to end' });
  const sequences = node.ran.map((name) => Number(/s(\d+)#1$/.exec(name)?.[1]));
  return TASK_CLASSES.map((_, index) =>
    sequences.filter((sequence) => (sequence - 1) % TASK_CLASSES.length === index),
  );
}

it('ends the tasks whose delivery was lost with the connection, in their order', async () => {
  await bench.untilLeading(await bench.startKernel({ LLMOS_SERVERS: proxy.url }));
  await publish(6);
  await waitFor(async () => (await delivered()) === 6, { what: 'the first to be delivered' });
  proxy.swallow();
  await publish(9);
  await waitFor(async () => (await delivered()) === 15, { what: 'all to be delivered, and lost' });
  proxy.cut();
  await publish(3);
  expect(await runAll()).toEqual([
    [1, 4, 7, 10, 13, 16],
    [2, 5, 8, 11, 14, 17],
    [3, 6, 9, 12, 15, 18],
  ]);
});

it('acknowledges once more what ended while its acknowledgements were lost', async () => {
  const kernel = await bench.startKernel({ LLMOS_SERVERS: proxy.url });
  await bench.untilLeading(kernel);
  let go: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (go = resolve));
  await bench.startNode({ beforeRun: () => gate });
  const subject = 'llmos.v1.task.standard.default.echo';
  for (let index = 0; index < 3; index += 1) await bench.jetstream.publish(subject, '1');
  const running = async (): Promise<number> => {
    const text = await (await fetch(`${kernel.httpUrl}/metrics`)).text();
    return Number(/^llmos_kernel_running_tasks (\d+)/m.exec(text)?.[1]);
  };
  await waitFor(async () => (await running()) === 3, { what: 'the tasks to run' });
  proxy.mute();
  go();
  await waitFor(async () => (await running()) === 0, { what: 'the tasks to end' });
  const left = async () => (await bench.manager.streams.info(STREAMS.tasks)).state.messages;
  expect(await left()).toBe(3);
  proxy.cut();
  await waitFor(async () => (await left()) === 0, { what: 'the tasks to leave' });
});

it('runs each task once when the server is killed and has forgotten what it delivered', async () => {
  await bench.untilLeading(await bench.startKernel());
  await publish(9);
  await waitFor(async () => (await delivered()) === 9, { what: 'all to be delivered' });
  const isBack = reconnected();
  await bench.nats.kill();
  await bench.nats.restart();
  await isBack;
  await publish(3);
  expect(await runAll()).toEqual([
    [1, 4, 7, 10],
    [2, 5, 8, 11],
    [3, 6, 9, 12],
  ]);
});

it('leaves what a lone server knows of its deliveries in memory: writing it takes most of its time', async () => {
  await bench.untilLeading(await bench.startKernel());
  const infos = await bench.manager.consumers.list(STREAMS.tasks).next();
  expect(infos.map(({ config }) => config.mem_storage)).toEqual([true, true, true]);
});

it('takes in bodies of almost a megabyte, a few at a time', async () => {
  const kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  const body = JSON.stringify('x'.repeat(900 * 1024));
  for (let index = 0; index < 30; index += 1) {
    await bench.jetstream.publish('llmos.v1.task.batch.default.echo', body);
  }
  await waitFor(async () => (await delivered()) === 30, { what: 'all to be delivered' });
  await bench.startNode();
  await waitFor(
    async () => (await bench.manager.streams.info(STREAMS.tasks)).state.messages === 0,
    { what: 'all tasks to end' },
  );
});

it('answers a call whatever stands in line before it, and lets no task of it behind', async () => {
  await bench.untilLeading(await bench.startKernel());
  let go: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (go = resolve));
  const node = await bench.startNode({
    beforeRun: ({ sequence }) => (sequence === 1 ? gate : Promise.resolve()),
  });
  // One at a time: what is not acknowledged keeps everything behind it from being delivered.
  for await (const { name, config } of bench.manager.consumers.list(STREAMS.tasks)) {
    if (name.endsWith('-interactive')) {
      await bench.manager.consumers.update(STREAMS.tasks, name, { ...config, max_ack_pending: 1 });
    }
  }
  const subject = 'llmos.v1.task.interactive.default.echo';
  await bench.jetstream.publish(subject, '"first"');
  await waitFor(() => Promise.resolve(node.ran.length === 1), { what: 'the first to run' });
  await bench.jetstream.publish(subject, '"in line"');
  const call = (body: unknown, headers = {}) =>
    bench.request('llmos.v1.call.default.echo', body, { headers });
  expect(await call('unnamed')).toMatchObject({ ok: true });
  expect(await call('named', { 'Llmos-Id': 'mine' })).toMatchObject({ ok: true });
  const submitted = await bench.request('llmos.v1.submit.default.echo', 'later', {
    headers: { 'Llmos-Class': 'interactive' },
  });
  expect(submitted).toMatchObject({ ok: true, output: { duplicate: false } });
  await waitFor(() => Promise.resolve(node.ran.length === 4), {
    what: 'what was asked for to run',
  });
  expect(node.ran.some((name) => name.includes('s2#'))).toBe(false);
  go();
  const left = async () => (await bench.manager.streams.info(STREAMS.tasks)).state.messages;
  await waitFor(async () => (await left()) === 0, {
    what: 'the line to end, and what overtook it',
  });
  const runs = node.ran.map((name) => /([^/]+)#1$/.exec(name)?.[1]);
  expect(runs).toEqual(['s1', 's3', 'mine', 's5', 's2']);
});

it('ends a task that the server gives to nobody, also beside too many subjects to list', async () => {
  await bench.untilLeading(await bench.startKernel());
  // One more than the kernel's limit `maxListedSubjects`.
  const others = 10_001;
  for (let index = 0; index < others; index += 1) {
    bench.connection.publish(`llmos.v1.task.batch.t${index}.echo`, '1');
  }
  await bench.connection.flush();
  const subject = 'llmos.v1.task.batch.acme.>';
  const bytes = Buffer.from('NATS/1.0\r\n\r\n1');
  await rawPublish({ url: bench.nats.url, subject, headerBytes: 12, bytes });
  const query = { last_by_subj: 'llmos.v1.result.acme.*' };
  const result = await waitFor(() => bench.manager.streams.getMessage(STREAMS.results, query), {
    what: 'its result',
  });
  expect(result.json()).toMatchObject({ ok: false, error: { code: 'INVALID_ARGUMENT' } });
  const left = async () => (await bench.manager.streams.info(STREAMS.tasks)).state.messages;
  await waitFor(async () => (await left()) === others, { what: 'it to leave the stream' });
});

it('runs a task with a key in its order of the stream, also that of a call', async () => {
  await bench.untilLeading(await bench.startKernel());
  await publish(6);
  const calls = [1, 2].map(() =>
    bench.request('llmos.v1.call.default.echo', '1', { headers: { 'Llmos-Key': 'line' } }),
  );
  await waitFor(async () => (await delivered()) === 8, { what: 'all to be delivered' });
  expect(await runAll()).toEqual([
    [1, 4, 7],
    [2, 5, 8],
    [3, 6],
  ]);
  for (const call of calls) expect(await call).toMatchObject({ ok: true });
});

/** What the leader's intake does when messages to it are lost on the way. */
import { STREAMS, TASK_CLASSES } from '@llmos/base';
import { headers as newHeaders } from 'nats';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { NatsProxy } from '../support/nats-proxy';
import { waitFor } from '../support/wait-for';

let bench: KernelBench;
let proxy: NatsProxy;

beforeEach(async () => {
  bench = await startKernelBench();
  proxy = await NatsProxy.start(bench.nats.port);
}, 60_000);
afterEach(async () => {
  await bench.stop();
  await proxy.close();
}, 60_000);

async function delivered(): Promise<number> {
  let count = 0;
  for await (const info of bench.manager.consumers.list(STREAMS.tasks)) {
    count += info.num_ack_pending;
  }
  return count;
}

async function publish(count: number, more: { readonly key?: string } = {}): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const taskClass = TASK_CLASSES[index % TASK_CLASSES.length] ?? 'standard';
    const headers = newHeaders();
    if (more.key !== undefined) headers.set('Llmos-Key', more.key);
    await bench.jetstream.publish(`llmos.v1.task.${taskClass}.default.echo`, '1', { headers });
  }
}

it('ends the tasks whose delivery was lost with the connection', async () => {
  await bench.untilLeading(await bench.startKernel({ LLMOS_SERVERS: proxy.url }));
  proxy.swallow();
  await publish(9);
  await waitFor(async () => (await delivered()) === 9, { what: 'all to be delivered, and lost' });
  proxy.cut();
  const node = await bench.startNode();
  const left = async (): Promise<number> =>
    (await bench.manager.streams.info(STREAMS.tasks)).state.messages;
  await waitFor(async () => (await left()) === 0, { what: 'all tasks to end' });
  expect(new Set(node.ran).size).toBe(9);
}, 120_000);

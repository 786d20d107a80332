/** Full streams, on a real NATS server: who brings more is told so, and nothing stored is lost. */
import { STREAMS, decodeJson } from '@llmos/base';
import type { RunningKernel } from '@llmos/kernel';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench, untilLeading } from '../support/kernel-under-test';
import { parseMetrics, sumOf } from '../support/prometheus-text';
import { waitFor } from '../support/wait-for';

const ECHO = 'llmos.v1.task.standard.default.echo';
const ROOM_BYTES = 64 * 1024 * 1024;
const BODY = JSON.stringify('x'.repeat(8_000));

let bench: KernelBench;
let kernel: RunningKernel;

beforeAll(async () => {
  bench = await startKernelBench();
  kernel = await bench.startKernel();
  await untilLeading(kernel);
}, 60_000);
afterAll(() => bench.stop(), 60_000);

async function setMaxBytes(stream: string, maxBytes: number): Promise<void> {
  const { config } = await bench.manager.streams.info(stream);
  await bench.manager.streams.update(stream, { ...config, max_bytes: maxBytes });
}

async function countOf(stream: string): Promise<number> {
  return (await bench.manager.streams.info(stream)).state.messages;
}

it('a full tasks stream refuses a publish, and submit and call say when to come again', async () => {
  await setMaxBytes(STREAMS.tasks, 32 * 1024);
  const stored: number[] = [];
  await expect(
    (async () => {
      for (;;) stored.push((await bench.jetstream.publish(ECHO, BODY)).seq);
    })(),
  ).rejects.toMatchObject({
    api_error: { err_code: 10_077, description: 'maximum bytes exceeded' },
  });
  expect(stored.length).toBeGreaterThan(0);

  for (const kind of ['submit', 'call']) {
    const { ok, error } = await bench.request(`llmos.v1.${kind}.default.echo`, 'x'.repeat(8_000));
    expect(ok).toBe(false);
    expect(error).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      retryable: true,
      message: expect.stringContaining('the task queue is full') as string,
      details: { retryAfterMs: expect.any(Number) as number },
    });
  }

  await setMaxBytes(STREAMS.tasks, ROOM_BYTES);
  const node = await bench.startNode();
  expect(await bench.request('llmos.v1.call.default.echo', 'room again')).toEqual({
    ok: true,
    output: 'room again',
  });
  await waitFor(async () => (await countOf(STREAMS.tasks)) === 0, { what: 'the stored to end' });
  expect(await countOf(STREAMS.results)).toBe(stored.length + 1);
  await node.close();
});

it('a full results stream keeps tasks until there is room, and evicts nothing', async () => {
  const before = await countOf(STREAMS.results);
  const { state } = await bench.manager.streams.info(STREAMS.results);
  await setMaxBytes(STREAMS.results, state.bytes);
  // The kernel itself commits the error of what can't be read.
  const { seq } = await bench.jetstream.publish(ECHO, '{"not json');
  await waitFor(
    async () => {
      const text = await (await fetch(`${kernel.httpUrl}/metrics`)).text();
      return sumOf(parseMetrics(text), 'llmos_kernel_store_retries_total') > 0;
    },
    { what: 'the commit to be repeated' },
  );
  expect(await countOf(STREAMS.tasks)).toBe(1);
  expect(await countOf(STREAMS.results)).toBe(before);
  expect((await bench.request('llmos.v1.sys.default.info', {})).ok).toBe(true);

  await setMaxBytes(STREAMS.results, ROOM_BYTES);
  await waitFor(async () => (await countOf(STREAMS.tasks)) === 0, { what: 'the task to end' });
  const last_by_subj = `llmos.v1.result.default.s${seq}`;
  const result = await bench.manager.streams.getMessage(STREAMS.results, { last_by_subj });
  expect(decodeJson(result.data)).toMatchObject({ ok: false, error: { code: 'INVALID_ARGUMENT' } });
});

/** Full streams, on a real NATS server: who brings more is told so, and nothing stored is lost. */
import { STREAMS, decodeJson } from '@llmos/base';
import type { RunningKernel } from '@llmos/kernel';
import { headers as newHeaders } from 'nats';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
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
  await bench.untilLeading(kernel);
});
afterAll(() => bench.stop());

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
  expect(await countOf(STREAMS.results)).toBe(stored.length);
  // Of the call, which chose no id.
  expect(await countOf(STREAMS.answers)).toBe(1);
  await node.close();
});

it('a full results stream keeps tasks until there is room, and evicts nothing', async () => {
  const before = await countOf(STREAMS.results);
  const { state } = await bench.manager.streams.info(STREAMS.results);
  await setMaxBytes(STREAMS.results, state.bytes);
  // The kernel itself commits the error of what can't be read.
  const { seq: first } = await bench.jetstream.publish(ECHO, '{"not json');
  await untilFull();
  const stored = await countOf(STREAMS.tasks);
  // More than the pulls in flight may still bring.
  const publishes = Array.from({ length: 1_100 }, () =>
    bench.jetstream.publish(ECHO, '{"not json'),
  );
  const second = Math.max(...(await Promise.all(publishes)).map((ack) => ack.seq));
  await waitFor(async () => (await metric('intake_pending_tasks')) > 0, {
    what: 'tasks to wait in the stream',
  });
  expect(await countOf(STREAMS.tasks)).toBe(stored + publishes.length);
  expect(await countOf(STREAMS.results)).toBe(before);
  await waitFor(async () => (await bench.request('llmos.v1.sys.default.info', {})).ok, {
    what: 'an answer to a system call',
  });

  await setMaxBytes(STREAMS.results, ROOM_BYTES);
  for (const sequence of [first, second]) {
    expect(await resultOf(bench, `s${sequence}`)).toMatchObject({
      ok: false,
      error: { code: 'INVALID_ARGUMENT' },
    });
  }
  await waitFor(async () => (await countOf(STREAMS.tasks)) === 0, { what: 'the tasks to end' });
});

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${kernel.httpUrl}/metrics`)).text();
  return sumOf(parseMetrics(text), `llmos_kernel_${name}`);
}

/** The kernel has seen that no result fits. */
async function untilFull(): Promise<void> {
  await waitFor(
    async () => {
      // One that is stored before that ends in an error as well.
      const input = { model: 'absent', text: 'a' };
      const answer = await bench.request('llmos.v1.submit.default.embed', input);
      return answer.error?.message.includes('the stored results are full') === true;
    },
    { what: 'submit to be refused', everyMs: 500 },
  );
}

async function resultOf(of: KernelBench, task: string): Promise<unknown> {
  const last_by_subj = `llmos.v1.result.default.${task}`;
  const stored = await waitFor(
    () => of.manager.streams.getMessage(STREAMS.results, { last_by_subj }),
    { what: `the result of ${task}` },
  );
  return decodeJson(stored.data);
}

describe('a full disk', () => {
  const MIB = 1024 * 1024;
  let small: KernelBench;
  let leader: RunningKernel;
  beforeAll(async () => {
    small = await startKernelBench({ maxStoreBytes: 80 * MIB });
    leader = await small.startKernel({
      LLMOS_STORAGE_BYTES: String(64 * MIB),
      LLMOS_LEASE_MS: '3000',
    });
    await small.untilLeading(leader);
  });
  afterAll(() => small.stop());

  it('keeps what was accepted; with room again there is a leader, which ends it', async () => {
    const expiring = newHeaders();
    expiring.set('Llmos-Timeout-Ms', '2000');
    const { seq } = await small.jetstream.publish(ECHO, '1', { headers: expiring });
    await small.manager.streams.add({ name: 'OTHERS', subjects: ['others'] });
    const fill = async (): Promise<never> => {
      for (;;) await small.jetstream.publish('others', new Uint8Array(512 * 1024));
    };
    await expect(fill()).rejects.toMatchObject({ api_error: { err_code: 10_023 } });
    await expect(small.jetstream.publish(ECHO, '2')).rejects.toThrow();
    // No renewal of the lease can be stored either.
    await waitFor(() => !leader.isLeading(), { what: 'the leadership to end' });
    await small.manager.streams.delete('OTHERS');
    expect(await resultOf(small, `s${seq}`)).toMatchObject({
      ok: false,
      error: { code: 'DEADLINE_EXCEEDED' },
    });
    await small.startNode();
    const answer = await small.request('llmos.v1.call.default.echo', 'room again');
    expect(answer).toEqual({ ok: true, output: 'room again' });
  });
});

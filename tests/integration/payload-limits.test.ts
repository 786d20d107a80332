/** A NATS server that takes less than a program wants to send ends no program and no task. */
import type { report } from '@llmos/proto';
import { STREAMS } from '@llmos/base';
import { connect, headers as newHeaders } from 'nats';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { PATIENT } from '../support/nats-server';
import { waitFor } from '../support/wait-for';

let bench: KernelBench;
afterEach(() => bench.stop());

it('ends a task whose dead letter no longer fits a message, with a dead letter', async () => {
  bench = await startKernelBench();
  await bench.untilLeading(await bench.startKernel());
  let fail: () => void = () => undefined;
  const mayFail = new Promise<void>((resolve) => (fail = resolve));
  let began = false;
  await bench.startNode({
    beforeRun: () => {
      began = true;
      return mayFail;
    },
    fail: (): report.Failed => ({ code: 'INTERNAL', message: 'broken', retryable: true }),
  });
  const body = JSON.stringify('x'.repeat(500_000));
  const subject = 'llmos.v1.task.standard.default.echo';
  const headers = newHeaders();
  headers.set('Llmos-Max-Attempts', '1');
  const { seq } = await bench.jetstream.publish(subject, body, { headers });
  await waitFor(() => began, { what: 'the attempt to begin' });
  await bench.nats.restart({ config: 'max_payload: 100000' });
  fail();
  const direct = await connect({ servers: bench.nats.url });
  try {
    const manager = await direct.jetstreamManager(PATIENT);
    const query = { last_by_subj: 'llmos.v1.dead.default.echo' };
    const letter = await waitFor(
      () => manager.streams.getMessage(STREAMS.dead, query).catch(() => undefined),
      { what: 'the dead letter' },
    );
    expect(letter.header.get('Llmos-Id')).toBe(`s${seq}`);
    expect(letter.data).toHaveLength(0);
  } finally {
    await direct.close();
  }
});

it('tells a reader that a result no longer fits a message, and both sizes', async () => {
  bench = await startKernelBench();
  const kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  const output = { text: 'x'.repeat(500_000), tokens: [1], promptTokens: 1, finishReason: 'stop' };
  const body = JSON.stringify({ ok: true, output });
  await bench.jetstream.publish('llmos.v1.result.default.large', body);
  await bench.nats.restart({ config: 'max_payload: 100000' });
  const direct = await connect({ servers: bench.nats.url });
  try {
    const ends: unknown[] = [];
    direct.subscribe('llmos.v1.deliver.default.me', {
      callback: (_error, msg) => {
        if (msg.headers?.has('Llmos-End') === true) ends.push(msg.json());
      },
    });
    const attach = JSON.stringify({ task: 'large', client: 'me' });
    await waitFor(
      async () => {
        const subject = 'llmos.v1.sys.default.attach';
        await direct.request(subject, attach, { timeout: 2_000 });
        return ends.length > 0;
      },
      { what: 'the end of the stream', everyMs: 500 },
    );
    const limitBytes = 100_000 - 512;
    expect(ends[0]).toMatchObject({
      ok: false,
      error: { code: 'RESOURCE_EXHAUSTED', retryable: false, details: { limitBytes } },
    });
    expect(kernel.isLeading()).toBe(true);
  } finally {
    await direct.close();
  }
});

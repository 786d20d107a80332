/** A NATS server that takes less than a program wants to send ends no program and no task. */
import type { report } from '@llmos/proto';
import { STREAMS } from '@llmos/base';
import { connect, headers as newHeaders } from 'nats';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { PATIENT } from '../support/nats-server';
import { waitFor } from '../support/wait-for';

const INFO = 'llmos.v1.sys.default.info';
const FUNCTIONS = 'llmos.v1.sys.default.functions';

let bench: KernelBench;
afterEach(() => bench.stop());

it('answers with an error that names both sizes where an answer is too large', async () => {
  bench = await startKernelBench({ config: 'max_payload: 4096' });
  const kernel = await bench.startKernel();
  await bench.untilLeading(kernel);
  const { ok, error } = await bench.request(FUNCTIONS, {}, { timeoutMs: 30_000 });
  expect(ok).toBe(false);
  expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', retryable: false });
  const { bytes, limitBytes } = error?.details as { bytes: number; limitBytes: number };
  expect(bytes).toBeGreaterThan(limitBytes);
  expect(error?.message).toContain(String(bytes));
  expect(error?.message).toContain(String(limitBytes));
  const { output } = await bench.request(INFO, {}, { timeoutMs: 30_000 });
  expect(output?.['kernel']).toBe(kernel.kernelId);
  expect(kernel.isLeading()).toBe(true);
});

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

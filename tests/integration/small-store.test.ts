/** The smallest storage, whose answers are delivered many times over: nobody is refused. */
import { STREAMS } from '@llmos/base';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';

const SMALLEST = { LLMOS_STORAGE_BYTES: String(64 * 1024 * 1024) };
const CALLERS = 8;
const ANSWER = 'x'.repeat(60_000);
const TIMES_FULL = 4;

let bench: KernelBench;
beforeAll(async () => {
  bench = await startKernelBench();
  await bench.untilLeading(await bench.startKernel(SMALLEST));
  // The other one deletes what it delivered itself, and the leader does not hear of it.
  await bench.startKernel(SMALLEST);
  await bench.startNode();
});
afterAll(() => bench?.stop());

it('answers calls whose answers would fill the store four times', async () => {
  const { config } = await bench.manager.streams.info(STREAMS.answers);
  const calls = Math.ceil((TIMES_FULL * config.max_bytes) / ANSWER.length);
  let left = calls;
  const errors: unknown[] = [];
  const callers = Array.from({ length: CALLERS }, async () => {
    while (left > 0) {
      left -= 1;
      const answer = await bench.request('llmos.v1.call.default.echo', ANSWER);
      if (!answer.ok) errors.push(answer.error);
    }
  });
  await Promise.all(callers);
  expect(errors).toEqual([]);
  const { state } = await bench.manager.streams.info(STREAMS.answers);
  expect(state.bytes).toBeLessThan(config.max_bytes * 0.75);
});

/**
 * A kernel on a server that is older than the one that wrote the files: it works, or says that it
 * can't. Needs at least two programs in `LLMOS_TEST_NATS_SERVERS`, the oldest first.
 */
import { STREAMS } from '@llmos/base';
import { startKernelBench } from '../support/kernel-under-test';
import { natsServerPrograms } from '../support/nats-server';
import { waitFor } from '../support/wait-for';

const LIMIT_MS = 180_000;
const ENDED = 20;

it(
  'does not lead on a server that misreads the tasks, and the newer one has them all',
  async () => {
    const programs = natsServerPrograms().flatMap(([, program]) => program ?? []);
    const [oldest = '', newest = ''] = [programs[0], programs.at(-1)];
    if (programs.length < 2) return console.warn('skipped: one NATS server only');
    const bench = await startKernelBench({ program: newest });
    try {
      const kernel = await bench.startKernel();
      await bench.untilLeading(kernel);
      const node = await bench.startNode();
      for (let n = 1; n <= ENDED; n += 1) {
        await bench.request('llmos.v1.submit.default.echo', n, { headers: { 'Llmos-Id': `${n}` } });
      }
      const waiting = async (): Promise<number> =>
        (await bench.manager.streams.info(STREAMS.tasks)).state.messages;
      await waitFor(async () => (await waiting()) === 0, { what: 'the tasks to end' });
      await node.close();
      await kernel.close();
      await bench.jetstream.publish('llmos.v1.task.standard.default.echo', '"waits"');

      await bench.nats.restart({ program: oldest });
      await expect(bench.startKernel()).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
        message: expect.stringMatching(/misreads LLMOS_TASKS/) as unknown,
      });

      await bench.nats.restart({ program: newest });
      await bench.untilLeading(await bench.startKernel());
      expect(await waiting()).toBe(1);
      await bench.startNode();
      await waitFor(async () => (await waiting()) === 0, { what: 'the task that waited to end' });
    } finally {
      await bench.stop();
    }
  },
  LIMIT_MS,
);

/**
 * A server that is killed has forgotten the acknowledgements of its last moments. The leader that
 * stays must end those tasks, and not leave them to the next one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { STREAMS } from '@llmos/base';
import { connect } from 'nats';
import type { JetStreamManager, NatsConnection } from 'nats';
import type { TestNatsServer } from '../support/nats-server';
import { startNatsServer } from '../support/nats-server';
import type { TestProgram } from '../support/programs';
import { LONG_LEASES, startKernel, startWorker } from '../support/programs';
import { waitFor } from '../support/wait-for';

const ROUNDS = 3;
const TASKS = 1_500;
const closers: (() => Promise<unknown>)[] = [];
let nats: TestNatsServer;
let kernel: TestProgram;
let connection: NatsConnection;
let manager: JetStreamManager;

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'llmos-forgotten-'));
  closers.push(() => Promise.resolve(rmSync(folder, { recursive: true, force: true })));
  nats = await startNatsServer();
  closers.push(() => nats.stop());
  const env = { LLMOS_SERVERS: nats.url, ...LONG_LEASES };
  kernel = await startKernel({ env });
  closers.push(() => kernel.stop());
  const worker = await startWorker({ env: { ...env, LLMOS_CACHE_DIR: folder } });
  closers.push(() => worker.stop());
  connection = await connect({ servers: nats.url, maxReconnectAttempts: -1 });
  closers.push(() => connection.close());
  // A request that the end of the server interrupts is asked again soon.
  manager = await connection.jetstreamManager({ timeout: 2_000 });
});
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

async function countOf(stream: string): Promise<number> {
  return (await manager.streams.info(stream)).state.messages;
}

it('ends every task after kill -9 of the server, without another leader', async () => {
  await waitFor(() => kernel.log().includes('leadership-began'), { what: 'a leader' });
  let stored = 0;
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (let index = 0; index < TASKS; index += 1) {
      connection.publish('llmos.v1.task.standard.default.echo', '1');
    }
    await connection.flush();
    const before = stored;
    await waitFor(
      async () => (await countOf(STREAMS.results).catch(() => 0)) > before + TASKS / 3,
      {
        what: 'a third of the tasks to end',
        limitMs: 120_000,
        everyMs: 5,
      },
    );
    await nats.kill();
    await nats.restart();
    await waitFor(async () => (await countOf(STREAMS.tasks).catch(() => 1)) === 0, {
      what: `no task to be left in round ${round}`,
      limitMs: 120_000,
      everyMs: 100,
    });
    stored += TASKS;
    expect(await countOf(STREAMS.results)).toBe(stored);
  }
  expect(kernel.log().match(/"event":"leadership-began"/g)).toHaveLength(1);
}, 600_000);

/**
 * An address at which nobody answers any more, as that of a service whose only server has just
 * gone: whoever connects there tries again soon, or nothing works long after the server is back.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@llmos/sdk';
import { NatsProxy } from '../support/nats-proxy';
import { startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { startKernel, startWorker } from '../support/programs';
import type { ProgramOptions, TestProgram } from '../support/programs';
import { waitFor } from '../support/wait-for';

/** Below what the NATS client waits for an answer by itself, and what the SDK gives its first one. */
const SOON_MS = 8_000;

let folder: string;
let server: TestNatsServer;
let proxy: NatsProxy;
let program: TestProgram | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-silent-address-'));
  server = await startNatsServer();
  proxy = await NatsProxy.start(server.port);
});
afterEach(async () => {
  await program?.kill();
  program = undefined;
  await proxy.close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function untilTriedAgain(connections: number): Promise<void> {
  proxy.hold();
  proxy.cut();
  await waitFor(() => proxy.unanswered > connections, {
    what: 'a connection that nobody answers to be given up for another one',
    limitMs: SOON_MS,
  });
  proxy.answer();
}

type Start = (options: ProgramOptions) => Promise<TestProgram>;
const programs: readonly [string, number, Start, RegExp][] = [
  ['kernel, with its three connections,', 3, startKernel, /"type":"reconnect"/],
  ['worker', 1, startWorker, /"event":"nats-reconnect"/],
];
it.each(programs)('the %s tries again and is back with the server', async (...row) => {
  const [, connections, start, back] = row;
  const env = { LLMOS_SERVERS: proxy.url, LLMOS_CACHE_DIR: folder, LLMOS_DEVICE: 'cpu' };
  const started = await start({ env });
  program = started;
  await untilTriedAgain(connections);
  await waitFor(() => back.test(started.log()), { what: 'the program to be connected again' });
});

it('the client tries again and is back with the server', async () => {
  program = await startKernel({ env: { LLMOS_SERVERS: server.url } });
  const os = await connect({ servers: proxy.url });
  try {
    await waitFor(async () => (await os.info()).epoch > 0, { what: 'the kernel to lead' });
    await untilTriedAgain(1);
    expect((await os.info()).epoch).toBeGreaterThan(0);
  } finally {
    await os.close();
  }
});

/** Connections that say nothing keep neither probes nor nodes from the programs. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestSystem } from '../support/test-system';
import { startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

/** More than each program holds. */
const HTTP_CLIENTS = 300;
const GRPC_CLIENTS = 3_000;
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';
/** Headers of two hundred bytes, of which some never come. */
const HALF_A_FRAME = `${PREFACE}\0\0\xc8\x01\x04\0\0\0\x01${'\0'.repeat(100)}`;

let system: TestSystem;
let folder: string;
const sockets: Socket[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-idle-'));
  system = await startTestSystem();
});
afterEach(() => sockets.splice(0).forEach((socket) => socket.destroy()));
afterAll(async () => {
  await system?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Each says one of these texts, in turn, and nothing more. */
async function openSilent(port: number, count: number, texts = ['']): Promise<void> {
  for (let number = 0; number < count; number += 1) {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined).resume();
    await once(socket, 'connect');
    socket.write(texts[number % texts.length] ?? '', 'latin1');
  }
}

it.each(['kernel', 'worker'] as const)('the %s answers probes', async (name) => {
  const { httpUrl } = system[name].ready;
  await openSilent(Number(new URL(httpUrl).port), HTTP_CLIENTS);
  const response = await fetch(`${httpUrl}/livez`, { headers: { connection: 'close' } });
  expect(response.status).toBe(200);
});

it('the kernel lets another node in, keeps the one it has, and closes all that serve none', async () => {
  const port = Number(/:(\d+)$/.exec(system.kernel.ready.grpcUrl ?? '')?.[1]);
  await openSilent(port, GRPC_CLIENTS, ['', PREFACE, HALF_A_FRAME]);
  await system.startWorker({ LLMOS_NODE: 'node-2', LLMOS_CACHE_DIR: folder });
  await waitFor(
    async () => {
      const alive = (await system.os.nodes()).filter(({ state }) => state === 'alive');
      return alive.length === 2;
    },
    { what: 'two nodes to be alive' },
  );
  await waitFor(() => sockets.every((socket) => socket.destroyed), {
    what: 'every silent connection to be closed',
  });
  expect((await system.os.nodes()).map(({ state }) => state)).toEqual(['alive', 'alive']);
  expect(system.kernel.log()).not.toContain('node-detached');
});

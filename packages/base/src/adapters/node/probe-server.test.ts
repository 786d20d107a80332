import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { ProbeServer } from './probe-server';

const CONNECTIONS = 16;
let server: ProbeServer;
let url: string;
const sockets: Socket[] = [];
let asked = (): void => undefined;

beforeEach(async () => {
  server = new ProbeServer({
    idleMs: 60_000,
    connections: CONNECTIONS,
    answer: async (request, response) => {
      if (request.url === '/never') return asked();
      response.end('ok');
    },
  });
  url = await server.listen('127.0.0.1', 0);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close();
});

async function open(text: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.resume().write(text);
  return socket;
}

function openAll(count: number, text: string): Promise<Socket[]> {
  return Promise.all(Array.from({ length: count }, () => open(text)));
}

/** Connections whose requests the server has, and answers for ever. */
function openAnswered(count: number): Promise<Socket[]> {
  let left = count;
  const all = new Promise<void>((resolve) => {
    asked = () => void ((left -= 1) === 0 && resolve());
  });
  const opened = openAll(count, 'GET /never HTTP/1.1\r\nhost: x\r\n\r\n');
  return all.then(() => opened);
}

async function probe(): Promise<string> {
  const response = await fetch(`${url}/livez`, { headers: { connection: 'close' } });
  return response.text();
}

it.each([
  ['that say nothing', ''],
  ['that begin a request', 'GET /livez HTTP/1.1\r\nhost: x\r\n'],
  ['that were answered and stay', 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n'],
])('answers a probe beside any number of connections %s', async (_name, text) => {
  await openAll(CONNECTIONS, text);
  expect(await probe()).toBe('ok');
  await openAll(3 * CONNECTIONS, text);
  expect(await probe()).toBe('ok');
});

it('the connection that has waited for longest makes room, not one that is being answered', async () => {
  const [answered] = await openAnswered(1);
  const [oldest] = await openAll(CONNECTIONS - 1, '');
  const closed = once(oldest as Socket, 'close');
  expect(await probe()).toBe('ok');
  await closed;
  expect(answered?.destroyed).toBe(false);
});

it('takes no more than it may hold while all are being answered', async () => {
  const answered = await openAnswered(CONNECTIONS);
  await once(await open(''), 'close');
  expect(answered.some(({ destroyed }) => destroyed)).toBe(false);
});

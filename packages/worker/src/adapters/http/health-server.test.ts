import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { HealthServer } from './health-server';
import { startHealthServer } from './health-server';

let server: HealthServer | undefined;
let unreadiness: string | undefined;

async function start(idleMs?: number): Promise<string> {
  server = await startHealthServer({
    host: '127.0.0.1',
    port: 0,
    unreadiness: () => unreadiness,
    metrics: async () => ({ contentType: 'text/x-metrics', text: 'up 1\n' }),
    ...(idleMs === undefined ? {} : { idleMs }),
  });
  return server.url;
}
afterEach(() => server?.close());

async function open(url: string): Promise<{ socket: Socket; closed: Promise<unknown> }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await once(socket, 'connect');
  return { socket, closed };
}

async function ask(url: string, method = 'GET'): Promise<[number, string]> {
  const response = await fetch(url, { method });
  return [response.status, await response.text()];
}

describe('health server', () => {
  it('answers what a probe and a scraper ask, and nothing else', async () => {
    const url = await start();
    unreadiness = 'not attached to a kernel';
    expect(await ask(`${url}/livez`)).toEqual([200, 'ok\n']);
    expect(await ask(`${url}/readyz`)).toEqual([503, 'not attached to a kernel\n']);
    unreadiness = undefined;
    expect(await ask(`${url}/readyz?verbose`)).toEqual([200, 'ok\n']);
    expect(await ask(`${url}/metrics`)).toEqual([200, 'up 1\n']);
    expect(await ask(`${url}/metrics`, 'HEAD')).toEqual([200, '']);
    expect(await ask(`${url}/livez`, 'POST')).toEqual([405, 'only GET\n']);
    expect(await ask(`${url}/../etc/passwd`)).toEqual([404, 'not found\n']);
  });

  it('answers what is no request with 400, and then the next one', async () => {
    const url = await start();
    const { socket } = await open(url);
    socket.write('\u0000\u0001 no request\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 400 /);
    expect(await ask(`${url}/livez`)).toEqual([200, 'ok\n']);
  });

  it('lets clients go that send nothing or half a request', async () => {
    const url = await start(50);
    const clients = await Promise.all(Array.from({ length: 8 }, () => open(url)));
    clients.slice(1).forEach(({ socket }) => socket.write('GET /livez HTTP/1.1\r\n'));
    await Promise.all(clients.map(({ socket, closed }) => (socket.resume(), closed)));
  });

  it('closes although clients are connected', async () => {
    const { socket, closed } = await open(await start());
    socket.resume();
    await server?.close();
    await closed;
  });
});

import { once } from 'node:events';
import { connect } from 'node:net';
import { HttpStatusServer } from './http-status-server';

it('lets clients go that send nothing or half a request', async () => {
  const server = new HttpStatusServer({
    readiness: () => ({ isReady: true, state: 'leading' }),
    metrics: async () => '',
    metricsType: 'text/plain',
    idleMs: 50,
  });
  const url = await server.listen('127.0.0.1', 0);
  const open = async (request: string): Promise<unknown> => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await once(socket, 'connect');
    socket.write(request);
    socket.resume();
    return closed;
  };
  await Promise.all([open(''), open('GET /livez HTTP/1.1\r\n')]);
  await server.close();
}, 60_000);

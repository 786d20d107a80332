/** Writes in batches, with the client and a server as they are. */
import { openLink } from '@llmos/wire';
import type { NatsConnection } from 'nats';
import { connect } from 'nats';
import { startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { waitFor } from '../support/wait-for';

let server: TestNatsServer;
let reader: NatsConnection;
let writer: NatsConnection;
const heard: string[] = [];

beforeEach(async () => {
  server = await startNatsServer();
  reader = await connect({ servers: server.url });
  reader.subscribe('written.*', { callback: (_, { subject }) => heard.push(subject) });
  await reader.flush();
  const ignore = (): void => undefined;
  const servers = [server.url];
  writer = await openLink({ servers, name: 'writer', onSkipped: ignore, onUnsent: ignore });
});
afterEach(async () => {
  heard.length = 0;
  await writer.close();
  await reader.close();
  await server.stop();
});

/** How often the client writes to its socket from now on. */
function countWrites(connection: NatsConnection): () => number {
  const { transport } = (
    connection as unknown as { protocol: { transport: { send(frame: Uint8Array): void } } }
  ).protocol;
  const send = transport.send.bind(transport);
  let writes = 0;
  transport.send = (frame) => {
    writes += 1;
    send(frame);
  };
  return () => writes;
}

const MESSAGES = Array.from({ length: 50 }, (_, index) => `written.${index}`);

it('writes once what many microtasks of a turn publish, all of it and in order', async () => {
  const writes = countWrites(writer);
  for (const subject of MESSAGES) {
    writer.publish(subject);
    await Promise.resolve();
  }
  await waitFor(() => heard.length === MESSAGES.length, { what: 'all messages' });
  expect(heard).toEqual(MESSAGES);
  expect(writes()).toBe(1);
});

it('loses nothing that was published just before the connection closes', async () => {
  for (const subject of MESSAGES) writer.publish(subject);
  await Promise.resolve();
  await writer.close();
  await waitFor(() => heard.length === MESSAGES.length, { what: 'all messages' });
  expect(heard).toEqual(MESSAGES);
});

it('flushes what is published before it', async () => {
  writer.publish('written.0');
  await writer.flush();
  await reader.flush();
  expect(heard).toEqual(['written.0']);
});

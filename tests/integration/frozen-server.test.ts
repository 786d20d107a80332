/**
 * A server that stands still with its connections open, and takes nothing any more: what a program
 * has written to it never leaves, and the program must not wait for that.
 */
import { connect } from '@llmos/sdk';
import { openLink } from '@llmos/wire';
import { NatsProxy } from '../support/nats-proxy';
import { startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { waitFor } from '../support/wait-for';

/** More than any buffer between two programs of one machine takes. */
const MESSAGES = 64;
const BODY = new Uint8Array(500_000);
/** Three pings of either program, and some. */
const LIMIT_MS = 60_000;

let server: TestNatsServer;
let proxy: NatsProxy;

beforeEach(async () => {
  server = await startNatsServer();
  proxy = await NatsProxy.start(server.port);
});
afterEach(async () => {
  await proxy.close();
  await server.stop();
});

async function untilConnectedAnew(): Promise<void> {
  await waitFor(() => proxy.connections > 1, {
    what: 'the connection to the server that stands still to be given up',
    limitMs: LIMIT_MS,
  });
}

it('is given up by a program, whatever it has written', async () => {
  const servers = [proxy.url];
  const ignore = (): void => undefined;
  const link = await openLink({ servers, name: 'program', onSkipped: ignore, onUnsent: ignore });
  try {
    proxy.freeze();
    for (let n = 0; n < MESSAGES; n += 1) link.publish('written', BODY);
    await untilConnectedAnew();
    await link.flush();
  } finally {
    await link.close();
  }
});

it('is given up by a client, whatever it has written', async () => {
  const os = await connect({ servers: proxy.url });
  try {
    proxy.freeze();
    const controller = new AbortController();
    const calls = Array.from({ length: MESSAGES }, () =>
      os.call('echo', 'x'.repeat(BODY.length), { signal: controller.signal }),
    );
    const settled = Promise.allSettled(calls);
    await untilConnectedAnew();
    controller.abort();
    await settled;
  } finally {
    await os.close();
  }
});

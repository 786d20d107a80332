import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { credentials } from '@grpc/grpc-js';
import type { NodeId, ProcessId } from '@llmos/base';
import { asEpoch, asToken, silentLogger } from '@llmos/base';
import * as wire from '@llmos/proto/node';
import { EDGE_LIMITS } from '../../edge-limits';
import { GrpcNodeLink } from './grpc-node-link';

const REGISTER: wire.NodeMessage = {
  message: {
    $case: 'register',
    value: {
      node: 'n1',
      session: 's1',
      cores: 2,
      memoryBytes: 1_000,
      devices: [],
      providers: [],
      versions: {},
      labels: {},
      processes: [],
    },
  },
};

let link: GrpcNodeLink;
let port: number;
const sockets: Socket[] = [];
const warnings: string[] = [];
const ends: (() => void)[] = [];

async function start(
  bounds: { connections?: number; unservedMs?: number; unservedBytes?: number } = {},
): Promise<void> {
  link = new GrpcNodeLink({
    log: { ...silentLogger, warn: (event) => void warnings.push(event) },
    nodeLeaseMs: 1_000,
    leaderUrl: () => '',
    ...bounds,
  });
  port = await link.listen('127.0.0.1', 0);
  link.begin(asEpoch(1), () => undefined);
}

afterEach(async () => {
  for (const end of ends.splice(0)) end();
  for (const socket of sockets.splice(0)) socket.destroy();
  await link.close();
  warnings.length = 0;
});

/** A connection that says nothing, or only this. */
async function open(
  text = '',
): Promise<{ readonly socket: Socket; readonly closed: Promise<unknown> }> {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await once(socket, 'connect');
  socket.resume().write(text);
  return { socket, closed };
}

interface AttachedNode {
  /** What the kernel says next. */
  next(): Promise<string | undefined>;
}

/** An agent that attaches. */
function attach(): AttachedNode {
  const client = new wire.NodeRegistryServiceClient(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
  );
  const call = client.attach();
  call.on('error', () => undefined);
  ends.push(() => (call.cancel(), client.close()));
  call.write(REGISTER);
  return {
    next: async () => {
      const [said] = (await once(call, 'data')) as [wire.KernelMessage];
      return said.message?.$case;
    },
  };
}

/** Whether what the kernel orders of the node comes to it. */
async function isServed(node: AttachedNode): Promise<boolean> {
  const said = node.next();
  link.stopProcess(
    { nodeId: asToken<NodeId>('n1'), pid: asToken<ProcessId>('p1'), incarnation: 1 },
    0,
  );
  return (await said) === 'stop';
}

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

it('closes a connection that answers pings and asks for nothing', async () => {
  await start({ unservedMs: 50 });
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  ends.push(() => session.destroy());
  session.on('error', () => undefined);
  await once(session, 'close');
});

it('closes connections that serve no node: silent ones, and such that only begin', async () => {
  await start({ unservedMs: 50 });
  const texts = ['', PREFACE, `${PREFACE}\0\0\0\x04\0\0\0\0\0`, 'GET / HTTP/1.1\r\n\r\n'];
  const opened = await Promise.all(texts.map((text) => open(text)));
  await Promise.all(opened.map(({ closed }) => closed));
});

it('lets a node in however many silent connections there are', async () => {
  await start({ connections: 8 });
  const opened = await Promise.all(Array.from({ length: 20 }, () => open()));
  // The oldest made room.
  await opened[0]?.closed;
  const node = attach();
  expect(await node.next()).toBe('welcome');
  expect(await isServed(node)).toBe(true);
});

it('keeps the connection of a node, whatever others do', async () => {
  // Long enough for a node to register on a busy machine.
  await start({ connections: 4, unservedMs: 1_000 });
  const node = attach();
  expect(await node.next()).toBe('welcome');
  for (let number = 0; number < 3; number += 1) {
    const opened = await Promise.all(Array.from({ length: 8 }, () => open()));
    await Promise.all(opened.map(({ closed }) => closed));
  }
  expect(await isServed(node)).toBe(true);
});

it('tells of streams that break the protocol together: nobody fills the log with them', async () => {
  await start();
  const client = new wire.NodeRegistryServiceClient(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
  );
  ends.push(() => client.close());
  for (let number = 0; number < 20; number += 1) {
    const call = client.attach();
    const refused = once(call, 'error');
    call.write({ message: undefined });
    // Otherwise the error is an event that nobody hears.
    call.resume();
    await refused.catch(() => undefined);
  }
  expect(warnings).toEqual(['node-stream-refused']);
});

/** A stream that begins a message of a megabyte, and sends so many bytes of it. */
async function begin(bytes: number): Promise<{ readonly closed: Promise<unknown> }> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  ends.push(() => session.destroy());
  session.on('error', () => undefined);
  const closed = new Promise((resolve) => session.once('close', resolve));
  const path = '/llmos.v1.NodeRegistryService/Attach';
  const stream = session.request(
    { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
    { endStream: false },
  );
  stream.on('error', () => undefined);
  const message = Buffer.alloc(5 + bytes);
  message.writeUInt32BE(1024 * 1024, 1);
  await new Promise((resolve) => stream.write(message, resolve));
  return { closed };
}

it('bounds what connections without a node have sent: the largest is closed', async () => {
  await start({ unservedBytes: 300_000 });
  expect(await attach().next()).toBe('welcome');
  const small = await begin(10_000);
  let isSmallClosed = false;
  void small.closed.then(() => (isSmallClosed = true));
  const large = await Promise.all([begin(200_000), begin(250_000)]);
  await Promise.race(large.map(({ closed }) => closed));
  expect(isSmallClosed).toBe(false);
  expect(await attach().next()).toBe('welcome');
});

it('the bounds leave room for every node', () => {
  expect(EDGE_LIMITS.maxNodeConnections).toBeGreaterThan(EDGE_LIMITS.maxNodes);
  expect(EDGE_LIMITS.unservedMs).toBeGreaterThan(EDGE_LIMITS.registerWithinMs);
});

import type { ServerDuplexStream, ServiceDefinition } from '@grpc/grpc-js';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { NodeBeat, NodeId, NodeRegistration, ReceivedCommand } from '@llmos/base';
import { silentLogger } from '@llmos/base';
import * as node from '@llmos/proto/node';
import { createGrpcKernelLink } from './grpc-kernel-link';

const REGISTRATION: NodeRegistration = {
  nodeId: 'n1' as NodeId,
  session: 's1',
  capabilities: {
    ...{ cores: 2, memoryBytes: 1e9, devices: [] },
    ...{ providers: [], versions: {}, labels: {} },
  },
  processes: [],
};
const BEAT: NodeBeat = { freeMemoryBytes: 1, contexts: [], memory: [] };

type Line = ServerDuplexStream<Buffer, Buffer>;

/** A kernel that sends bytes as they are. */
const rawService: ServiceDefinition = {
  attach: {
    ...node.NodeRegistryServiceService.attach,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
  },
};

let server: Server;
let url: string;
let onLine: (line: Line) => void;
const heard: node.NodeMessage[] = [];

beforeEach(async () => {
  heard.length = 0;
  onLine = () => undefined;
  server = new Server();
  server.addService(rawService, {
    attach: (line: Line) => {
      line.on('data', (bytes: Buffer) => heard.push(node.NodeMessage.decode(bytes)));
      line.on('error', () => undefined);
      onLine(line);
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  url = `127.0.0.1:${port}`;
});
afterEach(() => server.forceShutdown());

async function until(isReached: () => boolean, what: string): Promise<void> {
  const limitMs = performance.now() + 30_000;
  while (!isReached()) {
    if (performance.now() > limitMs) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function attach(to = url) {
  const commands: { epoch: number; command: ReceivedCommand }[] = [];
  const closed: string[] = [];
  const warnings: string[] = [];
  const log = { ...silentLogger, warn: (event: string) => void warnings.push(event) };
  const line = createGrpcKernelLink(log).attach(to, REGISTRATION, {
    command: (epoch, command) => commands.push({ epoch, command }),
    closed: (reason) => closed.push(reason),
  });
  return { line, commands, closed, warnings };
}

const messageOf = (message: node.KernelMessage['message'], epoch = 5): Buffer =>
  Buffer.from(node.KernelMessage.encode({ epoch, message }).finish());
const welcome = messageOf({ $case: 'welcome', value: { heartbeatMs: 500, leaseMs: 9_000 } });

describe('the link to a kernel', () => {
  it('registers first, and tells everything before it is closed', async () => {
    let kernel: Line | undefined;
    onLine = (line) => {
      kernel = line;
      line.write(welcome);
      line.on('end', () => line.end());
    };
    const { line, commands, closed } = attach();
    await until(() => commands.length === 1, 'the welcome');
    expect(commands[0]).toMatchObject({ epoch: 5, command: { kind: 'welcome', heartbeatMs: 500 } });
    line.heartbeat(BEAT);
    await line.close();
    expect(heard.map(({ message }) => message?.$case)).toEqual(['register', 'heartbeat']);
    kernel?.write(welcome);
    line.heartbeat(BEAT);
    expect([commands.length, closed]).toEqual([1, []]);
  });

  it('leaves out what says nothing that it knows, and goes on with what follows', async () => {
    onLine = (line) => {
      line.write(messageOf(undefined));
      line.write(
        messageOf({ $case: 'stop', value: { process: '../*', incarnation: 1, graceMs: 0 } }),
      );
      line.write(welcome);
    };
    const { line, commands, closed, warnings } = attach();
    await until(() => commands.length === 1, 'the welcome');
    expect(warnings).toEqual(['kernel-message-unreadable', 'kernel-message-unreadable']);
    expect(closed).toEqual([]);
    await line.close();
  });

  it('is closed, once, by bytes that are no message', async () => {
    onLine = (line) => {
      line.write(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]));
      line.write(welcome);
    };
    const { closed, commands } = attach();
    await until(() => closed.length > 0, 'the end of the line');
    expect([closed.length, commands]).toEqual([1, []]);
  });

  it('is closed where the kernel ends the line, and where nobody listens', async () => {
    onLine = (line) => line.end();
    const ended = attach();
    await until(() => ended.closed.length > 0, 'the end of the line');
    server.forceShutdown();
    const refused = attach('127.0.0.1:1');
    await until(() => refused.closed.length > 0, 'the refusal');
    expect([ended.closed.length, refused.closed.length]).toEqual([1, 1]);
  });
});

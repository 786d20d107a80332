/** A world that is not as a program needs it: each says what is wrong, by name, and ends. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { runCli } from '@llmos/cli';
import { connect } from '@llmos/sdk';
import { connect as connectNats } from 'nats';
import type { JetStreamManager, NatsConnection } from 'nats';
import { RetentionPolicy, StorageType } from 'nats';
import type { TestNatsServer } from '../support/nats-server';
import { PATIENT, startNatsServer } from '../support/nats-server';
import { startKernel, startWorker } from '../support/programs';

const NOBODY = 'nats://127.0.0.1:9';

async function llmos(...args: readonly string[]) {
  let out = '';
  let err = '';
  const exitCode = await runCli(args, {
    out: { write: (text) => (out += text) },
    err: { write: (text) => (err += text) },
    env: {},
    signal: new AbortController().signal,
    readStdin: async () => '',
  });
  return { exitCode, out, err };
}

describe('a NATS URL that nobody answers', () => {
  it('ends the kernel with its address and what to do', async () => {
    const env = { LLMOS_SERVERS: NOBODY, LLMOS_CONNECT_WAIT_MS: '0' };
    await expect(startKernel({ env })).rejects.toThrow(
      /it ended: 1\n[^]*no NATS server answers at nats:\/\/127\.0\.0\.1:9 .*: start one with/,
    );
  });

  it('ends a command with its address, in one line or one value', async () => {
    const plain = await llmos('ps', '--nats', NOBODY);
    expect(plain).toMatchObject({ exitCode: 1, out: '' });
    expect(plain.err).toMatch(/^error: .*127\.0\.0\.1:9.*\(UNAVAILABLE\)\n$/);
    const json = await llmos('ps', '--nats', NOBODY, '--json');
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, error: { code: 'UNAVAILABLE' } });
  });

  it('ends a client with its address', async () => {
    await expect(connect({ servers: NOBODY })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('127.0.0.1:9') as unknown,
    });
  });
});

describe('a NATS URL that is none', () => {
  const secret = 'hunter%2';
  const urls: readonly (readonly [string, RegExp])[] = [
    ['http://127.0.0.1:4222', /"http:\/\/127\.0\.0\.1:4222" is no NATS URL/],
    ['nats://', /is no NATS URL/],
    ['nats://a b:4222', /"nats:\/\/a b:4222" is no NATS URL/],
    ['127.0.0.1:99999', /"127\.0\.0\.1:99999" is no NATS URL/],
    [`nats://me:${secret}@127.0.0.1:4222`, /password for server 127\.0\.0\.1:4222 is not percent/],
  ];
  it.each(urls)('%s is refused by every program, without its password', async (url, message) => {
    const command = await llmos('ps', '--nats', url, '--json');
    const { error } = JSON.parse(command.out) as { error: { code: string; message: string } };
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(error.message).toMatch(message);
    const env = { LLMOS_SERVERS: url };
    for (const start of [startKernel, startWorker]) {
      const ended = await start({ env }).then(
        () => 'it started',
        (thrown: Error) => thrown.message,
      );
      expect(ended).toMatch(message);
      expect(ended).toMatch(/LLMOS_SERVERS/);
      expect(ended).toMatch(/it ended: [12]\n/);
      expect(ended).not.toContain(secret);
    }
  });
});

describe('a server', () => {
  let nats: TestNatsServer;
  let connection: NatsConnection;
  let manager: JetStreamManager;
  beforeEach(async () => {
    nats = await startNatsServer();
    connection = await connectNats({ servers: nats.url });
    manager = await connection.jetstreamManager(PATIENT);
  });
  afterEach(async () => {
    await connection?.close();
    await nats?.stop();
  });

  it('without JetStream ends the kernel and the client, saying so', async () => {
    const plain = await startNatsServer({ jetstream: false });
    try {
      await expect(startKernel({ env: { LLMOS_SERVERS: plain.url } })).rejects.toThrow(
        /it ended: 1\n[^]*has no JetStream: start it with -js/,
      );
    } finally {
      await plain.stop();
    }
  });

  it('with a stream of another kind ends the kernel, which names the setting', async () => {
    await manager.streams.add({
      name: 'LLMOS_TASKS',
      subjects: ['llmos.v1.task.batch.*.*'],
      retention: RetentionPolicy.Limits,
    });
    await expect(startKernel({ env: { LLMOS_SERVERS: nats.url } })).rejects.toThrow(
      /stream LLMOS_TASKS exists with retention limits, but must have workqueue: remove it/,
    );
  });

  it('with a stream in memory, or on our subjects, ends the kernel likewise', async () => {
    await manager.streams.add({
      name: 'LLMOS_RESULTS',
      subjects: ['llmos.v1.result.*.*'],
      storage: StorageType.Memory,
    });
    await expect(startKernel({ env: { LLMOS_SERVERS: nats.url } })).rejects.toThrow(
      /stream LLMOS_RESULTS exists with storage memory, but must have file/,
    );
    await manager.streams.delete('LLMOS_RESULTS');
    await manager.streams.add({ name: 'MINE', subjects: ['llmos.v1.result.>'] });
    await expect(startKernel({ env: { LLMOS_SERVERS: nats.url } })).rejects.toThrow(
      /stream LLMOS_RESULTS can't be created: .*another stream listens to one of llmos\.v1\.result/,
    );
  });

  it('with streams and buckets of other limits is put right', async () => {
    const short = 60 * 1e9;
    await manager.streams.add({
      name: 'LLMOS_RESULTS',
      subjects: ['llmos.v1.result.*.*'],
      max_age: short,
    });
    await connection.jetstream(PATIENT).views.kv('llmos_models', { ttl: 60_000, history: 1 });
    const kernel = await startKernel({ env: { LLMOS_SERVERS: nats.url } });
    try {
      expect((await manager.streams.info('LLMOS_RESULTS')).config).toMatchObject({
        max_age: 24 * 60 * 60 * 1e9,
        max_msgs_per_subject: 1,
        allow_direct: true,
      });
      // Models that vanish after a minute would be a bad surprise.
      expect((await manager.streams.info('KV_llmos_models')).config.max_age).toBe(0);
    } finally {
      await kernel.stop();
    }
  });
});

describe('a port in use', () => {
  it.each([
    ['kernel', startKernel, 'LLMOS_HTTP_PORT'],
    ['kernel', startKernel, 'LLMOS_GRPC_PORT'],
    ['worker', startWorker, 'LLMOS_HTTP_PORT'],
  ] as const)('ends the %s, which names it (%#)', async (_name, start, setting) => {
    const nats = await startNatsServer();
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    try {
      const env = { LLMOS_SERVERS: nats.url, [setting]: String(port) };
      const ended = await start({ env }).then(
        () => 'it started',
        (thrown: Error) => thrown.message,
      );
      expect(ended).toMatch(/it ended: 1\n/);
      expect(ended).toContain(String(port));
      expect(ended).toMatch(/in use/);
      expect(ended).toContain(setting);
    } finally {
      taken.close();
      await nats.stop();
    }
  });
});

/**
 * Adapters of the worker and of processes, each by its name, against a real NATS server and bytes
 * that none of our programs wrote.
 */
import {
  BUCKETS,
  LEADER_KEY,
  PACKAGE_STORE,
  ServerTime,
  encodeJson,
  packageObjectName,
  silentLogger,
  subjects,
  systemClock,
  NO_TRAITS,
} from '@llmos/base';
import type { NodeId, ProcessId } from '@llmos/base';
import { createLeaderEpoch, runEach, runProcess } from '@llmos/process';
import { closeLink, decodeReport, encodeMailboxMessage } from '@llmos/wire';
import { createModelStore, openConnection, watchLeader } from '@llmos/worker/testing';
import { connect } from 'nats';
import type { JetStreamManager, KV, NatsConnection, ObjectStore } from 'nats';
import { writeLeader } from '../support/leader-record';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { publishUnreadable } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

let server: TestNatsServer;
let connection: NatsConnection;
let manager: JetStreamManager;
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  server = await startNatsServer();
  connection = await connect({ servers: server.url });
  manager = await connection.jetstreamManager(PATIENT);
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await connection.close();
  await server.stop();
});

const openLeaders = (): Promise<KV> => connection.jetstream(PATIENT).views.kv(BUCKETS.leader);
/** None of them is a leader's record. */
const FOREIGN = [
  Buffer.from('garbage'),
  Buffer.from([0xff, 0, 0xff]),
  encodeJson({ kernelId: 'k1', epoch: 1e9, httpUrl: '', grpcUrl: '127.0.0.1:1' }),
  encodeJson([1, 2, 3]),
];

describe('the model store', () => {
  const SHA = 'a'.repeat(64);
  const NAME = packageObjectName(SHA);
  const META = `$O.${PACKAGE_STORE}.M.${Buffer.from(NAME).toString('base64url')}`;
  const read = async (): Promise<number> => {
    const store = await createModelStore(connection, silentLogger);
    let bytes = 0;
    for await (const piece of store.read(SHA)) bytes += piece.length;
    return bytes;
  };
  const openObjects = (): Promise<ObjectStore> =>
    connection.jetstream(PATIENT).views.os(PACKAGE_STORE);

  it('has no file while there is no store, nor where it has none of that name', async () => {
    await expect(read()).rejects.toMatchObject({ code: 'NOT_FOUND', retryable: true });
    await openObjects();
    await expect(read()).rejects.toMatchObject({ code: 'NOT_FOUND', retryable: true });
  });

  it('reads a file piece by piece, and says so where pieces are missing', async () => {
    const objects = await openObjects();
    const { nuid } = await objects.putBlob({ name: NAME }, Buffer.alloc(300_000, 7));
    expect(await read()).toBe(300_000);
    await manager.streams.purge(`OBJ_${PACKAGE_STORE}`, {
      filter: `$O.${PACKAGE_STORE}.C.${nuid}`,
      keep: 1,
    });
    await expect(read()).rejects.toMatchObject({ code: 'DATA_LOSS', retryable: true });
  });

  it.each([
    Buffer.from('garbage'),
    encodeJson([]),
    encodeJson({ nuid: '>', chunks: 1 }),
    encodeJson({ nuid: 'a.b', chunks: 1 }),
    encodeJson({ nuid: 'a', chunks: -1 }),
    encodeJson({ nuid: 'a', chunks: 1e300 }),
    encodeJson({ nuid: 'a', chunks: 1, deleted: true }),
  ])('takes a description of a file that nobody wrote for none (%#)', async (description) => {
    await openObjects();
    await connection.jetstream(PATIENT).publish(META, description);
    await expect(read()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('the watch of the leader', () => {
  function watch() {
    const seen: (string | undefined)[] = [];
    const warnings: string[] = [];
    const time = new ServerTime(systemClock);
    const leaderWatch = watchLeader({
      connection,
      log: { ...silentLogger, warn: (event: string) => void warnings.push(event) },
      onSkipped: () => undefined,
      time,
      onLeader: (leader) => seen.push(leader && `${leader.url} ${leader.epoch}`),
    });
    closers.push(() => leaderWatch.close());
    return { seen, warnings };
  }

  it('waits for a bucket that is not there yet, and follows it', async () => {
    const { seen } = watch();
    const bucket = await openLeaders();
    await writeLeader(bucket, { epoch: 3, grpcUrl: '10.0.0.1:7000' });
    await waitFor(() => seen.at(-1) === '10.0.0.1:7000 3', { what: 'the leader' });
    await bucket.delete(LEADER_KEY);
    await waitFor(() => seen.at(-1) === undefined, { what: 'that nobody leads' });
  });

  it('lets whoever led lead on when the record is one that no kernel wrote', async () => {
    const bucket = await openLeaders();
    await writeLeader(bucket, { epoch: 2, grpcUrl: '10.0.0.1:7000' });
    const { seen, warnings } = watch();
    await waitFor(() => seen.at(-1) === '10.0.0.1:7000 2', { what: 'the leader' });
    const foreign = [...FOREIGN, encodeJson({ kernelId: 'k2', epoch: 2, grpcUrl: 'no address' })];
    for (const record of foreign) await bucket.put(LEADER_KEY, record);
    await waitFor(() => warnings.length > 0, { what: 'a warning' });
    await writeLeader(bucket, { epoch: 9, grpcUrl: '10.0.0.2:7000' });
    await waitFor(() => seen.at(-1) === '10.0.0.2:7000 9', { what: 'the next leader' });
    expect(new Set(seen.filter(Boolean))).toEqual(new Set(['10.0.0.1:7000 2', '10.0.0.2:7000 9']));
  });
});

describe('the epoch of the leader', () => {
  it('is read from its record, and unknown where there is none or no kernel’s', async () => {
    const readEpoch = await createLeaderEpoch(connection);
    expect(await readEpoch()).toBeUndefined();
    const bucket = await openLeaders();
    expect(await readEpoch()).toBeUndefined();
    for (const record of FOREIGN) {
      await bucket.put(LEADER_KEY, record);
      expect(await readEpoch()).toBeUndefined();
    }
    await writeLeader(bucket, { epoch: 7 });
    expect(await readEpoch()).toBe(7);
    await bucket.delete(LEADER_KEY);
    expect(await readEpoch()).toBeUndefined();
  });

  it('is an error where the server does not answer, and nothing is concluded from it', async () => {
    const lonely = await connect({ servers: server.url, noEcho: true });
    closers.push(() => lonely.close());
    const readEpoch = await createLeaderEpoch(lonely);
    await lonely.close();
    await expect(readEpoch()).rejects.toThrow();
  });
});

describe('the worker’s connection', () => {
  it('counts what can’t be read, tells of a lost server, and waits for it', async () => {
    const events: string[] = [];
    let returns = 0;
    const guarded = await openConnection({
      servers: [server.url],
      name: 'test',
      log: { ...silentLogger, warn: (event: string) => void events.push(event) },
      onReconnect: () => void (returns += 1),
    });
    closers.push(() => closeLink(guarded.connection));
    const heard: string[] = [];
    guarded.connection.subscribe('thing', {
      callback: (_error, message) => {
        // Headers are read where somebody asks for them.
        message.headers?.get('Llmos-Key');
        heard.push(message.string());
      },
    });
    await guarded.connection.flush();
    await publishUnreadable({ url: server.url, subject: 'thing' });
    connection.publish('thing', 'readable');
    await waitFor(() => heard.includes('readable'), { what: 'what comes after it' });
    expect([heard, guarded.skipped.count]).toEqual([['readable'], 1]);
    await server.restart();
    await waitFor(() => returns === 1, { what: 'the connection' });
    expect(events).toEqual(expect.arrayContaining(['nats-disconnect', 'nats-reconnect']));
  });
});

describe('the link to a mailbox', () => {
  it('leaves out bytes that are no command, and hears what comes after them', async () => {
    await writeLeader(await openLeaders(), { epoch: 5 });
    const [node, pid] = ['n1' as NodeId, 'p1-1' as ProcessId];
    const skipped: string[] = [];
    let beats = 0;
    connection.subscribe(subjects.report({ node, process: pid }), {
      callback: (_error, message) => {
        if (decodeReport(message.data).heartbeat?.epoch === 5) beats += 1;
      },
    });
    const own = await connect({ servers: server.url });
    const process = await runProcess({
      ...{ connection: own, node, pid, incarnation: 1, permits: 2 },
      runner: runEach(async () => ({ kind: 'answered', result: encodeJson({ ok: true }) })),
      traitsOf: () => NO_TRAITS,
      ...{ clock: systemClock, log: silentLogger },
      onSkipped: ({ subject }) => skipped.push(subject),
    });
    closers.push(async () => {
      process.close();
      await own.close();
    });
    const mailbox = subjects.mailbox({ node, process: pid });
    for (const bytes of [[], [0xff], [0x0a, 0xff, 0xff, 0xff, 0x7f], [0x7b, 0x7d]]) {
      connection.publish(mailbox, Uint8Array.from(bytes));
    }
    const hello = { epoch: 5, incarnation: 1, command: { kind: 'hello' } } as const;
    connection.publish(mailbox, encodeMailboxMessage(hello, { nowMs: 0, wallMs: 0 }));
    await waitFor(() => beats > 0, { what: 'a heartbeat for the leader' });
    expect(skipped).toEqual([mailbox, mailbox, mailbox, mailbox]);
    expect(process.counts()).toMatchObject({ running: 0, waiting: 0 });
  });
});

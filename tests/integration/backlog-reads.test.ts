/** What a new leader reads of a backlog, of a real server with foreign rows: BacklogReads. */
import { BUCKETS, STREAMS, encodeJson, silentLogger } from '@llmos/base';
import type { FunctionName, TaskId, TenantId } from '@llmos/base';
import { BacklogReads, ResultReads, wantedStores } from '@llmos/kernel/testing';
import type { AttemptRecord, TaskSpec } from '@llmos/kernel/testing';
import { closeLink } from '@llmos/wire';
import { connect } from 'nats';
import type { ConsumerConfig, ConsumerInfo, JetStreamManager, NatsConnection } from 'nats';
import { openKernelLink } from '../support/kernel-link';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { publishOddHeaders, publishUnreadable, rawPublish } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

const ROW: AttemptRecord = { attempt: 2, uncounted: 0, isApart: false, failures: [] };
const BUCKET = `KV_${BUCKETS.attempts}`;

let nats: TestNatsServer;
/** As a kernel has it, behind its guards. */
let connection: NatsConnection;
let manager: JetStreamManager;
let skipped: string[];
let logged: (readonly [string, unknown])[];
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  [skipped, logged] = [[], []];
  nats = await startNatsServer();
  connection = await openKernelLink(nats.url, {
    onSkipped: ({ subject }) => void skipped.push(subject),
  });
  manager = await connection.jetstreamManager(PATIENT);
  const names: readonly string[] = [STREAMS.results, STREAMS.answers, BUCKET];
  for (const { config } of wantedStores({ storageBytes: 2 ** 28, resultMaxAgeMs: 3_600_000 })) {
    if (names.includes(config.name)) await manager.streams.add(config);
  }
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  if (connection !== undefined) await closeLink(connection);
  await nats?.stop();
});

function begin(waiting = 100, asked = manager) {
  const reads = new ResultReads({ connection, manager, nowMs: () => 0 });
  const note = (event: string, fields: unknown): void => void logged.push([event, fields]);
  const log = { ...silentLogger, info: note, warn: note };
  const backlog = new BacklogReads({ connection, manager: asked, log, reads, waiting });
  closers.push(() => backlog.end());
  backlog.begin();
  return { backlog, reads };
}

function specOf(task: string, taskClass: TaskSpec['class'] = 'batch'): TaskSpec {
  return {
    ...{ tenant: 'acme' as TenantId, id: task as TaskId, hasOwnId: true, class: taskClass },
    ...{ function: 'echo' as FunctionName, priority: 9, hasOwnPriority: true, sequence: 1 },
    ...{ storedWallMs: 1, maxAttempts: 3, stream: false, format: 'json' },
  };
}

const put = (subject: string, body: unknown): Promise<unknown> => {
  const bytes = body instanceof Uint8Array ? body : encodeJson(body);
  return connection.jetstream(PATIENT).publish(subject, bytes);
};
const rowAt = (key: string): string => `$KV.${BUCKETS.attempts}.${key}`;
const NONE = { isCommitted: false, row: undefined };

/** Bytes that are no row of an attempt. */
const NO_ROWS: readonly unknown[] = [
  Buffer.from([0xff, 0x00, 0x7b]),
  Buffer.alloc(0),
  Buffer.from('['.repeat(50_000)),
  Buffer.from(`{"attempt":2,"x":"${'x'.repeat(70_000)}"}`),
  7,
  { attempt: -1 },
  { attempt: 1e300 },
];

it('knows which tasks have a result or were tried, beside rows and results of strangers', async () => {
  await put('llmos.v1.result.acme.done', 'anything');
  await put('llmos.v1.answer.acme.answered', Buffer.alloc(0));
  await put(rowAt('acme.tried'), ROW);
  for (const [index, row] of NO_ROWS.entries()) await put(rowAt(`acme.odd${index}`), row);
  for (const subject of ['llmos.v1.result.acme.unreadable', rowAt('acme.unreadable')]) {
    await publishUnreadable({ url: nats.url, subject, body: JSON.stringify(ROW) });
    await publishOddHeaders({ url: nats.url, subject, body: encodeJson(ROW) });
  }
  // A server stores these, and gives them to no filter.
  for (const subject of [
    'llmos.v1.result.acme.>',
    'llmos.v1.answer.*.t1',
    rowAt('>'),
    rowAt('a'),
  ]) {
    const bytes = Buffer.concat([Buffer.from('NATS/1.0\r\n\r\n'), encodeJson(ROW)]);
    await rawPublish({ url: nats.url, subject, headerBytes: 12, bytes });
  }
  const { backlog } = begin();
  expect(await backlog.of(specOf('tried'))).toEqual({ isCommitted: false, row: ROW });
  expect(backlog.isReading).toBe(false);
  expect(await backlog.of(specOf('done'))).toEqual({ isCommitted: 'unknown', row: undefined });
  expect(await backlog.of(specOf('answered'))).toMatchObject({ isCommitted: 'unknown' });
  // It is asked for by itself; of its row only the body counts.
  expect(await backlog.of(specOf('unreadable'))).toEqual({ isCommitted: 'unknown', row: ROW });
  for (const index of NO_ROWS.keys()) {
    expect(await backlog.of(specOf(`odd${index}`))).toEqual(NONE);
  }
  expect(logged.map(([event]) => event)).toEqual(['attempt-row-refused', 'backlog-read']);
  expect(skipped).toEqual([]);
});

it('lets nobody wait who is urgent, and reads no results where asking is less work', async () => {
  await put('llmos.v1.result.acme.done', 'anything');
  const { backlog } = begin(0);
  const unknown = { isCommitted: 'unknown', row: 'unknown' };
  expect(await backlog.of(specOf('t1', 'interactive'))).toEqual(unknown);
  expect(await backlog.of(specOf('t1'))).toEqual({ isCommitted: 'unknown', row: undefined });
});

it('knows what is committed from then on, and nothing more after its end', async () => {
  const { backlog, reads } = begin();
  expect(await backlog.of(specOf('t1'))).toEqual(NONE);
  reads.noteStored('acme.t1');
  expect(await backlog.of(specOf('t1'))).toEqual({ isCommitted: 'unknown', row: undefined });
  backlog.end();
  expect(await backlog.of(specOf('t2'))).toEqual({ isCommitted: 'unknown', row: 'unknown' });
});

/** Somebody who knows each inbox before the server does, and writes there first. */
function foreseen(stranger: NatsConnection): JetStreamManager {
  const add = async (stream: string, config: Partial<ConsumerConfig>): Promise<ConsumerInfo> => {
    const inbox = config.deliver_subject ?? '';
    stranger.publish(inbox, 'garbage', { reply: 'a.b' });
    stranger.publish(inbox, encodeJson({ attempt: 9 }));
    // The reply of a delivery, which the server takes from nobody.
    stranger.publish(inbox, encodeJson(ROW), { reply: '$JS.ACK.X.Y.1.1.1.1.0' });
    await publishUnreadable({ url: nats.url, subject: inbox });
    await publishOddHeaders({ url: nats.url, subject: inbox, body: Buffer.from('') });
    await stranger.flush();
    return manager.consumers.add(stream, config);
  };
  return { streams: manager.streams, consumers: { add } } as unknown as JetStreamManager;
}

it('reads all beside what somebody else writes where its own comes', async () => {
  await put(rowAt('acme.tried'), ROW);
  const stranger = await connect({ servers: nats.url });
  closers.push(() => stranger.close());
  const { backlog } = begin(100, foreseen(stranger));
  expect(await backlog.of(specOf('tried'))).toEqual({ isCommitted: false, row: ROW });
  expect([logged.map(([event]) => event), skipped]).toEqual([['backlog-read'], []]);
});

it('leaves all to be asked one by one where it can’t read, and reads once it can', async () => {
  const bucket = (await manager.streams.info(BUCKET)).config;
  await manager.streams.delete(BUCKET);
  expect(await begin().backlog.of(specOf('t1'))).toMatchObject({ row: 'unknown' });
  expect(logged.map(([event]) => event)).toEqual(['backlog-read-failed', 'backlog-read']);
  await manager.streams.add(bucket);
  await put(rowAt('acme.t1'), ROW);
  await nats.restart();
  await waitFor(() => connection.flush().then(() => true), { what: 'the connection to be back' });
  expect(await begin().backlog.of(specOf('t1'))).toEqual({ isCommitted: false, row: ROW });
});

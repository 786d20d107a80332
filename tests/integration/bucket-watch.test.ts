/** The one watch of buckets, against a real server that loses, forgets and is given bad rows. */
import { silentLogger } from '@llmos/base';
import type { LostMessage } from '@llmos/base';
import { guardMessages, readBucket, useLeanRequests, watchBucket } from '@llmos/wire';
import type { BucketReading, BucketWatch } from '@llmos/wire';
import { NatsError, connect, createInbox } from 'nats';
import type { JetStreamManager, KV, NatsConnection } from 'nats';
import { NatsProxy } from '../support/nats-proxy';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { publishUnreadable } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

const BUCKET = 'things';

let server: TestNatsServer;
let proxy: NatsProxy;
let direct: NatsConnection;
let watched: NatsConnection;
let manager: JetStreamManager;
let bucket: KV;
let watch: BucketWatch | undefined;
let rows: ReadonlyMap<string, string>;
let skipped: LostMessage[];

beforeEach(async () => {
  server = await startNatsServer();
  proxy = await NatsProxy.start(server.port);
  direct = await connect({ servers: server.url });
  manager = await direct.jetstreamManager(PATIENT);
  bucket = await direct.jetstream(PATIENT).views.kv(BUCKET);
  watched = await connect({
    servers: proxy.url,
    ignoreClusterUpdates: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
  });
  skipped = [];
  rows = new Map();
  guardMessages(watched, (lost) => skipped.push(lost));
  // The client decodes the headers of every answer in its parser.
  useLeanRequests(watched, { inbox: createInbox(), errors: NatsError });
});
afterEach(async () => {
  watch?.close();
  await watched.close();
  await direct.close();
  await proxy.close();
  await server.stop();
});

function reading(): BucketReading<string> {
  return {
    connection: watched,
    createInbox,
    bucket: BUCKET,
    maxRows: 10,
    read: ({ value }) => {
      const text = Buffer.from(value).toString();
      if (text === 'no row') throw new TypeError('that is no row');
      return text;
    },
    log: silentLogger,
    onSkipped: (lost) => skipped.push(lost),
  };
}

async function begin(more: { maxBytes?: number } = {}): Promise<void> {
  watch = watchBucket({ ...reading(), ...more, onRows: (now) => (rows = new Map(now)) });
  await watch.ready;
}

async function untilRows(expected: Readonly<Record<string, string>>): Promise<void> {
  await waitFor(
    () => JSON.stringify([...rows].sort()) === JSON.stringify(Object.entries(expected).sort()),
    { what: `the rows ${JSON.stringify(expected)}` },
  );
}

it('gives an empty bucket at once, then each change, and no deleted row', async () => {
  await begin();
  expect([...rows]).toEqual([]);
  await bucket.put('a', '1');
  await bucket.put('b', '2');
  await untilRows({ a: '1', b: '2' });
  await bucket.delete('a');
  await bucket.purge('b');
  await bucket.put('c', '3');
  await untilRows({ c: '3' });
});

it('gives only the rows that can be read, before and after it began, and tells of the others', async () => {
  await bucket.put('a', '1');
  await bucket.put('x', 'no row');
  await publishUnreadable({ url: server.url, subject: `$KV.${BUCKET}.bad`, body: 'x' });
  await begin();
  expect([...rows]).toEqual([['a', '1']]);
  await publishUnreadable({ url: server.url, subject: `$KV.${BUCKET}.a`, body: 'x' });
  await bucket.put('b', '2');
  await untilRows({ b: '2' });
  expect(skipped.map(({ subject }) => subject)).toEqual([
    `$KV.${BUCKET}.x`,
    `$KV.${BUCKET}.bad`,
    `$KV.${BUCKET}.a`,
  ]);
});

it('holds no more rows than it may', async () => {
  for (let row = 0; row < 15; row += 1) await bucket.put(`r${row}`, String(row));
  await begin();
  expect(rows.size).toBe(10);
});

it('holds no more bytes than it may, none of a row that has outgrown them, and tells of it', async () => {
  await bucket.put('small', '1');
  await bucket.put('grows', '2');
  await begin({ maxBytes: 1_000 });
  await untilRows({ small: '1', grows: '2' });
  await bucket.put('grows', 'x'.repeat(1_000));
  await untilRows({ small: '1' });
  await bucket.put('large', 'x'.repeat(1_000));
  await bucket.put('fits', '3');
  await untilRows({ small: '1', fits: '3' });
  expect(skipped.map(({ subject }) => subject)).toEqual([
    `$KV.${BUCKET}.grows`,
    `$KV.${BUCKET}.large`,
  ]);
});

it('gives everything anew after the connection was lost, without what was deleted meanwhile', async () => {
  await bucket.put('kept', '1');
  await bucket.put('purged', '2');
  await begin();
  await untilRows({ kept: '1', purged: '2' });
  proxy.swallow();
  await manager.streams.purge(`KV_${BUCKET}`, { filter: `$KV.${BUCKET}.purged` });
  await bucket.put('new', '3');
  proxy.cut();
  await untilRows({ kept: '1', new: '3' });
});

it('notices that the server has lost its consumer, and begins again', async () => {
  await bucket.put('a', '1');
  await begin();
  const [consumer] = await manager.consumers.list(`KV_${BUCKET}`).next();
  await manager.consumers.delete(`KV_${BUCKET}`, consumer?.name ?? '');
  await bucket.put('b', '2');
  await untilRows({ a: '1', b: '2' });
});

it('notices that a row was lost on its way, though the next ones come', async () => {
  let left = 2;
  const subscribe = watched.subscribe.bind(watched);
  watched.subscribe = (subject, options = {}) => {
    const { callback } = options;
    const take: typeof callback = (error, message) => {
      if (message.subject.startsWith('$KV.') && (left -= 1) === 0) return;
      callback?.(error, message);
    };
    return subscribe(subject, { ...options, callback: take });
  };
  for (const key of ['a', 'b', 'c']) await bucket.put(key, key);
  await begin();
  await untilRows({ a: 'a', b: 'b', c: 'c' });
});

it('waits for a bucket that is not there yet', async () => {
  await bucket.destroy();
  watch = watchBucket({ ...reading(), onRows: (now) => (rows = new Map(now)) });
  await direct.flush();
  bucket = await direct.jetstream(PATIENT).views.kv(BUCKET);
  await bucket.put('a', '1');
  await untilRows({ a: '1' });
});

it('reads a bucket once, or says why it can not', async () => {
  await bucket.put('a', '1');
  await publishUnreadable({ url: server.url, subject: `$KV.${BUCKET}.bad`, body: 'x' });
  expect([...(await readBucket(reading(), 60_000))]).toEqual([['a', '1']]);
  await bucket.destroy();
  await expect(readBucket(reading(), 1_000)).rejects.toThrow(/things can't be read: stream not/);
});

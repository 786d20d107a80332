/** The leader's record: JetStreamLeadershipStore on a real server. */
import { LEADER_STREAM, LEADER_SUBJECT, BUCKETS, ServerTime, asToken } from '@llmos/base';
import { silentLogger, systemClock } from '@llmos/base';
import type { KernelId, LeaderRecord } from '@llmos/base';
import { JetStreamLeadershipStore } from '@llmos/kernel/testing';
import { closeLink } from '@llmos/wire';
import type { NatsConnection } from 'nats';
import { openKernelLink } from '../support/kernel-link';
import type { TestNatsServer } from '../support/nats-server';
import { PATIENT, startNatsServer } from '../support/nats-server';
import { publishUnreadable } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

let nats: TestNatsServer;
let connection: NatsConnection;
let mayLead = true;
const closers: (() => void)[] = [];

beforeEach(async () => {
  mayLead = true;
  nats = await startNatsServer();
  connection = await openKernelLink(nats.url);
  await connection.jetstream(PATIENT).views.kv(BUCKETS.leader);
});
afterEach(async () => {
  for (const close of closers.splice(0)) close();
  if (connection !== undefined) await closeLink(connection);
  await nats?.stop();
});

function open(): Promise<JetStreamLeadershipStore> {
  const time = new ServerTime(systemClock);
  const onSkipped = (): void => undefined;
  const parts = { mayLead: () => mayLead, time, log: silentLogger, onSkipped };
  return JetStreamLeadershipStore.open(connection, parts);
}

const recordOf = (kernel: string, epoch = 0): LeaderRecord => ({
  kernelId: asToken<KernelId>(kernel),
  epoch,
  httpUrl: 'http://127.0.0.1:1',
  grpcUrl: '127.0.0.1:2',
  isReleased: false,
});
const put = (bytes: string | Uint8Array): Promise<unknown> =>
  connection.jetstream(PATIENT).publish(LEADER_SUBJECT, bytes);

it('grants the lease to one of many that ask at once, and its epoch is the revision of that', async () => {
  const store = await open();
  expect(await store.read()).toBeUndefined();
  const tries = await Promise.all(
    Array.from({ length: 10 }, (_, n) => store.write(recordOf(`kernel-${n}`), 0)),
  );
  const written = tries.filter(({ kind }) => kind === 'written');
  expect(written).toHaveLength(1);
  const { revision = 0 } = { ...written[0] } as { revision?: number };
  expect(await store.readEpoch()).toBe(revision);
  expect((await store.write(recordOf('late'), revision + 1)).kind).toBe('conflict');
  expect((await store.write(recordOf('next', revision), revision)).kind).toBe('written');
});

it.each<[string, string | Uint8Array]>([
  ['no JSON', new Uint8Array([0xff, 0x00])],
  ['nested deeply', '['.repeat(50_000)],
  ['empty', ''],
  ['of an epoch that nobody granted', JSON.stringify(recordOf('liar', 1e6))],
  ['of a kernel whose id is no token', JSON.stringify({ ...recordOf('x'), kernelId: 'a.b >' })],
])('believes no record that is %s, and can write over it', async (_what, bytes) => {
  const store = await open();
  await put(bytes);
  const stored = await store.read();
  expect([stored?.record, await store.readEpoch()]).toEqual([undefined, undefined]);
  expect(await store.write(recordOf('true'), stored?.revision ?? -1)).toMatchObject({
    kind: 'written',
  });
  expect((await store.read())?.record?.kernelId).toBe('true');
});

it('reads and hears on beside a record whose headers nobody can read', async () => {
  const store = await open();
  let heard = 0;
  closers.push(await store.watch(() => void (heard += 1)));
  await publishUnreadable({ url: nats.url, subject: LEADER_SUBJECT, body: '{}' });
  const stored = await waitFor(() => store.read(), { what: 'the record' });
  expect(stored.record).toBeUndefined();
  const before = heard;
  expect((await store.write(recordOf('true'), stored.revision)).kind).toBe('written');
  await waitFor(() => heard > before, { what: 'the word of the new record' });
});

it('writes no claim while it could do nothing with it, and a release at any time', async () => {
  const store = await open();
  mayLead = false;
  await expect(store.write(recordOf('cut-off'), 0)).rejects.toThrow('down');
  expect(await store.write({ ...recordOf('cut-off'), isReleased: true }, 0)).toMatchObject({
    kind: 'written',
  });
  const manager = await connection.jetstreamManager(PATIENT);
  expect((await manager.streams.info(LEADER_STREAM)).state.messages).toBe(1);
});

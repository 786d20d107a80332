/** Lifecycle events on a real server, beside events of strangers: JetStreamEventLog. */
import { STREAMS, decodeJson, parseEventSubject, systemTimers } from '@llmos/base';
import { JetStreamEventLog, SlowLane, wantedStores } from '@llmos/kernel/testing';
import { closeLink } from '@llmos/wire';
import type { JetStreamManager, NatsConnection } from 'nats';
import { openKernelLink } from '../support/kernel-link';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { publishOddHeaders, publishUnreadable } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

type Told = Parameters<JetStreamEventLog['publish']>[0];

let nats: TestNatsServer;
/** As a kernel has it, behind its guards. */
let connection: NatsConnection;
let manager: JetStreamManager;
let events: JetStreamEventLog;
let unsent: number;
let dropped: number;

beforeEach(async () => {
  [unsent, dropped] = [0, 0];
  nats = await startNatsServer();
  connection = await openKernelLink(nats.url, { onUnsent: () => void (unsent += 1) });
  manager = await connection.jetstreamManager(PATIENT);
  for (const { config } of wantedStores({ storageBytes: 2 ** 28, resultMaxAgeMs: 3_600_000 })) {
    if (config.name === STREAMS.events) await manager.streams.add(config);
  }
  events = new JetStreamEventLog({
    connection,
    counters: {
      add: (name) => void (dropped += name === 'announcements_dropped' ? 1 : 0),
      observe: () => undefined,
    },
    slowLane: new SlowLane(connection, systemTimers),
    wallMs: () => 77,
  });
});
afterEach(async () => {
  if (connection !== undefined) await closeLink(connection);
  await nats?.stop();
});

const toldOf = (id: string, of: Partial<Told> = {}): Told => {
  return { principal: 'acme', entity: 'task', id, what: 'completed', fields: { n: 1 }, ...of };
};
const stored = async (): Promise<number> =>
  (await manager.streams.info(STREAMS.events)).state.messages;
/** The last one that was stored. */
async function readLastEvent() {
  const sequence = (await manager.streams.info(STREAMS.events)).state.last_seq;
  const { subject, data } = await manager.streams.getMessage(STREAMS.events, { seq: sequence });
  return { subject, event: decodeJson(data) };
}
async function expectStored(id: string): Promise<void> {
  const before = await stored();
  events.publish(toldOf(id));
  await waitFor(async () => (await stored()) > before, { what: `the event of ${id}` });
  expect(await readLastEvent()).toEqual({
    subject: `llmos.v1.event.acme.task.${id}.completed`,
    event: { n: 1, entity: 'task', id, what: 'completed', wallMs: 77 },
  });
}

it('stores what it is told, under tokens of whatever it is of', async () => {
  await expectStored('t1');
  const odd = ['name@1', 'a.b', '>', '*', ' ', '', 'é\r\nPUB x 0', '\ud800', 'x'.repeat(10_000)];
  for (const [index, text] of odd.entries()) {
    const fields = { id: 'foreign', entity: 'foreign', wallMs: 'foreign' };
    events.publish(toldOf(text, { principal: text, what: text, fields }));
    await waitFor(async () => (await stored()) === index + 2, { what: `the event of ${text}` });
    const { subject, event } = await readLastEvent();
    expect(parseEventSubject(subject)).toMatchObject({ entity: 'task' });
    // What is told of an event stands above its fields, and is the exact text.
    expect(event).toEqual({ id: text, what: text, entity: 'task', wallMs: 77 });
  }
  expect([unsent, dropped]).toEqual([0, 0]);
});

it('goes on after an event that no server takes, and beside those of strangers', async () => {
  events.publish(toldOf('large', { fields: { text: 'x'.repeat(2 ** 21) } }));
  await expectStored('t1');
  const subject = 'llmos.v1.event.acme.task.t1.completed';
  await publishUnreadable({ url: nats.url, subject, body: 'garbage' });
  await publishOddHeaders({ url: nats.url, subject, body: Buffer.from('') });
  await expectStored('t2');
  expect([unsent, dropped]).toEqual([1, 0]);
});

it('drops and counts what is told while the server is away, and stores what comes after', async () => {
  await expectStored('t1');
  await nats.kill();
  await waitFor(
    () => {
      events.publish(toldOf('away'));
      return dropped > 0;
    },
    { what: 'the loss of the server to be known' },
  );
  const before = dropped;
  for (let n = 0; n < 10; n += 1) events.publish(toldOf('away'));
  expect(dropped).toBe(before + 10);
  await nats.restart();
  await waitFor(() => connection.flush().then(() => true), { what: 'the connection to be back' });
  const isHeard = (): boolean => {
    const dropped0 = dropped;
    events.publish(toldOf('again'));
    return dropped === dropped0;
  };
  await waitFor(isHeard, { what: 'events to be published again' });
  await waitFor(async () => (await stored()) >= 2, { what: 'that event to be stored' });
  await expectStored('t2');
  await closeLink(connection);
  const open = dropped;
  events.publish(toldOf('closed'));
  expect(dropped).toBe(open + 1);
});

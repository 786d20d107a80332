/** How full the streams of a real server are, and answers that say nothing: JetStreamStreamReadings. */
import { STREAMS, patterns, silentLogger } from '@llmos/base';
import { JetStreamStreamReadings, wantedStores } from '@llmos/kernel/testing';
import { closeLink } from '@llmos/wire';
import { AckPolicy, connect } from 'nats';
import type { JetStreamManager, NatsConnection } from 'nats';
import { openKernelLink } from '../support/kernel-link';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { publishOddHeaders, rawPublish } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

const AGE_MS = 60_000;
/** Beyond the time for which a reading is kept. */
const LATER_MS = 60_000;

let nats: TestNatsServer;
/** As a kernel has it, behind its guards. */
let connection: NatsConnection;
let manager: JetStreamManager;
let warnings: string[];
let nowMs = 0;

beforeEach(() => {
  [warnings, nowMs] = [[], 0];
});
afterEach(async () => {
  if (connection !== undefined) await closeLink(connection);
  await nats?.stop();
});

async function setUp(jetstream: boolean): Promise<JetStreamStreamReadings> {
  nats = await startNatsServer({ jetstream });
  connection = await openKernelLink(nats.url);
  manager = await connection.jetstreamManager({ ...PATIENT, checkAPI: false });
  return new JetStreamStreamReadings({
    manager,
    clock: { nowMs: () => nowMs, wallMs: () => Date.now() },
    log: { ...silentLogger, warn: (event) => void warnings.push(event) },
  });
}

async function makeStreams(): Promise<void> {
  const names: readonly string[] = Object.values(STREAMS);
  for (const { config } of wantedStores({ storageBytes: 2 ** 26, resultMaxAgeMs: AGE_MS })) {
    if (names.includes(config.name)) await manager.streams.add(config);
  }
}

function filterOf(consumer: string): string {
  if (consumer === 'foreign') return patterns.tasksOfClass('interactive');
  return patterns.tasksOfClass(consumer === 'e5-batch' ? 'batch' : 'standard');
}

/** What is asked while the connection is away is lost. */
const isBack = (): Promise<boolean> => connection.flush().then(() => true);

it('reads what each stream holds and each class has waiting, at most once in a while', async () => {
  const readings = await setUp(true);
  await makeStreams();
  for (const name of ['e5-batch', 'e5-standard', 'foreign']) {
    await manager.consumers.add(STREAMS.tasks, {
      durable_name: name,
      filter_subject: filterOf(name),
      ack_policy: AckPolicy.Explicit,
    });
  }
  const subject = 'llmos.v1.task.batch.acme.echo';
  await publishOddHeaders({ url: nats.url, subject, body: Buffer.from('garbage') });
  // A server stores it, and gives it to no filter.
  const stray = { url: nats.url, subject: 'llmos.v1.task.batch.acme.>', headerBytes: 12 };
  await rawPublish({ ...stray, bytes: Buffer.from('NATS/1.0\r\n\r\n') });
  const { messages } = (await manager.streams.info(STREAMS.tasks)).state;
  expect(messages).toBeGreaterThan(1);
  const { streams, intake } = await readings.read();
  expect(streams.map(({ stream }) => stream)).toEqual(Object.values(STREAMS));
  expect(streams).toContainEqual(expect.objectContaining({ stream: STREAMS.tasks, messages }));
  expect(Object.fromEntries(intake.map((row) => [row.class, row.pending]))).toEqual({
    interactive: 0,
    standard: 0,
    batch: messages - 1,
  });
  await manager.streams.purge(STREAMS.tasks);
  expect((await readings.read()).intake).toEqual(intake);
  nowMs += LATER_MS;
  expect((await readings.read()).intake).toContainEqual(
    expect.objectContaining({ class: 'batch', pending: 0 }),
  );
  expect(warnings).toEqual([]);
});

it('tells until when the oldest message of a stream is kept, and of none that is not there', async () => {
  const readings = await setUp(true);
  expect(await readings.loadOf(STREAMS.results)).toBeUndefined();
  expect(await readings.read()).toEqual({ streams: [], intake: [] });
  expect(warnings).toEqual(['stream-reading-failed', 'stream-reading-failed']);
  await makeStreams();
  expect(await readings.loadOf(STREAMS.results)).not.toHaveProperty('freesInMs');
  await connection.jetstream(PATIENT).publish('llmos.v1.result.acme.t1', 'garbage');
  const { freesInMs = 0 } = (await readings.loadOf(STREAMS.results)) ?? {};
  expect(freesInMs).toBeGreaterThan(0);
  expect(freesInMs).toBeLessThanOrEqual(AGE_MS);
  await nats.restart();
  await waitFor(isBack, { what: 'the connection to be back' });
  await waitFor(async () => (await readings.loadOf(STREAMS.results))?.messages === 1, {
    what: 'the server to be back with its streams',
  });
});

/** Instead of what a server says. */
const FOREIGN = ['', 'garbage', '\xff\0', 'null', '7', '[]', '{}', '{"config":{},"state":null}'];

it('reads nothing from answers of somebody else, and all once the server answers', async () => {
  const readings = await setUp(false);
  const stranger = await connect({ servers: nats.url });
  let body = '';
  const answering = stranger.subscribe('$JS.API.>', {
    callback: (_error, msg) => void msg.respond(body),
  });
  await stranger.flush();
  for (const [index, foreign] of FOREIGN.entries()) {
    body = foreign;
    nowMs += LATER_MS;
    expect(await readings.loadOf(STREAMS.tasks)).toBeUndefined();
    expect(await readings.read()).toEqual({ streams: [], intake: [] });
    expect(warnings).toEqual(
      Array.from({ length: 2 * (index + 1) }, () => 'stream-reading-failed'),
    );
  }
  answering.unsubscribe();
  await stranger.close();
  await nats.restart({ jetstream: true });
  await waitFor(isBack, { what: 'the connection to be back' });
  nowMs += LATER_MS;
  await waitFor(() => makeStreams().then(() => true), { what: 'JetStream to be up' });
  expect((await readings.read()).streams).toHaveLength(Object.values(STREAMS).length);
});

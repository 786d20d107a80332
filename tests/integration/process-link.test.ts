/** Mailboxes and reports on a real server, also foreign ones: JetStreamProcessLink. */
import { ServerTime, silentLogger, subjects, systemClock, systemTimers } from '@llmos/base';
import type { Epoch, FunctionName, NodeId, ProcessId, TaskId, TenantId } from '@llmos/base';
import { JetStreamProcessLink, SlowLane } from '@llmos/kernel/testing';
import type { KernelEvent, ProcessAddress, TaskSpec } from '@llmos/kernel/testing';
import { closeLink, decodeMailboxMessage, encodeReport } from '@llmos/wire';
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { openKernelLink } from '../support/kernel-link';
import { startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { ODD_HEADERS, publishOddHeaders, rawPublish } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

const TO: ProcessAddress = { nodeId: 'n1' as NodeId, pid: 'p1-1' as ProcessId, incarnation: 3 };
const OF = { node: TO.nodeId, process: TO.pid };
const REF = { tenant: 'acme' as TenantId, task: 't1' as TaskId, attempt: 1 };
const ODD = Object.keys(ODD_HEADERS).length;

let nats: TestNatsServer;
/** As a kernel has it, behind its guards. */
let connection: NatsConnection;
let stranger: NatsConnection;
let link: JetStreamProcessLink;
let skipped: string[];
let counts: string[];
let events: KernelEvent[];

beforeEach(async () => {
  [skipped, counts, events] = [[], [], []];
  nats = await startNatsServer({ jetstream: false });
  connection = await openKernelLink(nats.url, {
    onSkipped: ({ subject }) => void skipped.push(subject),
  });
  stranger = await connect({ servers: nats.url });
  link = new JetStreamProcessLink({
    connection,
    log: silentLogger,
    counters: { add: (name) => void counts.push(name), observe: () => undefined },
    slowLane: new SlowLane(connection, systemTimers),
    time: new ServerTime(systemClock),
  });
  link.begin(5 as Epoch, (event) => void events.push(event));
  await connection.flush();
});
afterEach(async () => {
  link?.end();
  await stranger?.close();
  if (connection !== undefined) await closeLink(connection);
  await nats?.stop();
});

/** A report by which it is told apart. */
const reportOf = (epoch: number): Uint8Array =>
  encodeReport(3, {
    accepted: [],
    finished: [],
    heartbeat: { running: [], costs: [], epoch, foreign: 0 },
  });
const beats = (): readonly (number | undefined)[] =>
  events.flatMap((event) => (event.kind === 'process-heartbeat' ? [event.epoch] : []));
async function expectHeard(epoch: number): Promise<void> {
  stranger.publish(subjects.report(OF), reportOf(epoch));
  await waitFor(() => beats().includes(epoch), { what: `report ${epoch}` });
}

function specOf(): TaskSpec {
  return {
    ...{ tenant: REF.tenant, id: REF.task, hasOwnId: true, function: 'echo' as FunctionName },
    ...{ class: 'batch', priority: 9, hasOwnPriority: true, sequence: 77, storedWallMs: 1 },
    ...{ maxAttempts: 3, stream: false, format: 'json' },
  };
}

it('brings each command to the mailbox, and a body as far as it fits there', async () => {
  const commands: unknown[] = [];
  stranger.subscribe(subjects.mailbox(OF), {
    callback: (_error, { data }) => {
      const message = decodeMailboxMessage(data, { nowMs: 0, wallMs: 0 });
      const { epoch, incarnation, command } = message ?? {};
      const what = command?.kind === 'execute' ? command.spec.body?.length : command?.kind;
      commands.push([epoch, incarnation, what]);
    },
  });
  await stranger.flush();
  const task = { to: TO, spec: specOf(), attempt: 1, deadlineWallMs: Date.now() + 60_000 };
  link.greet(TO);
  link.execute({ ...task, body: new Uint8Array(10) });
  link.execute({ ...task, body: new Uint8Array(connection.info?.max_payload ?? 0) });
  link.cancel(TO, REF, 'CANCELLED');
  link.preempt(TO, REF);
  link.confirm(TO, [REF]);
  await waitFor(() => commands.length >= 6, { what: 'the commands' });
  const expected = ['hello', 10, undefined, 'cancel', 'preempt', 'confirm'];
  expect(commands).toEqual(expected.map((what) => [5, 3, what]));
});

it('skips and counts what is no report, and hears what comes after it', async () => {
  const own = subjects.report(OF);
  const bodies = [[], [0xff], [0x0a, 0xff, 0xff, 0xff, 0x7f], [0x7b, 0x7d], [0x08, 0x00]];
  const half = reportOf(1).subarray(0, -1);
  for (const body of [...bodies, half]) stranger.publish(own, Uint8Array.from(body));
  await stranger.flush();
  await publishOddHeaders({ url: nats.url, subject: own, body: Buffer.from('garbage') });
  const odd = ['llmos.v1.report.n1.>', 'llmos.v1.report.*.p1-1', 'llmos.v1.report.n!1.p1-1'];
  for (const subject of [...odd, `llmos.v1.report.n1.${'p'.repeat(65)}`]) {
    const bytes = Buffer.concat([Buffer.from('NATS/1.0\r\n\r\n'), reportOf(1)]);
    await rawPublish({ url: nats.url, subject, headerBytes: 12, bytes });
  }
  await expectHeard(7);
  expect(events).toHaveLength(1);
  const expected = bodies.length + 1 + ODD + odd.length + 1;
  expect(skipped).toHaveLength(expected);
  expect(counts.filter((name) => name === 'reports_malformed')).toHaveLength(expected);
});

it('looks at no headers: a report under any is one', async () => {
  await publishOddHeaders({ url: nats.url, subject: subjects.report(OF), body: reportOf(6) });
  await expectHeard(7);
  expect([beats().length, skipped]).toEqual([ODD + 1, []]);
});

it('hears on after an event that could not be taken, and once it leads anew', async () => {
  const heard: (number | undefined)[] = [];
  link.begin(6 as Epoch, (event) => {
    if (event.kind !== 'process-heartbeat') return;
    heard.push(event.epoch);
    if (event.epoch === 1) throw new Error('the queue broke');
  });
  await connection.flush();
  for (const epoch of [1, 2]) stranger.publish(subjects.report(OF), reportOf(epoch));
  await waitFor(() => heard.includes(2), { what: 'the report after it' });
  expect([heard, beats(), skipped]).toEqual([[1, 2], [], [subjects.report(OF)]]);
});

it('hears and tells again once the server is back, and nothing after its end', async () => {
  await nats.restart();
  await waitFor(() => connection.flush().then(() => true), { what: 'the connection to be back' });
  await waitFor(() => stranger.flush().then(() => true), { what: 'the stranger to be back' });
  await expectHeard(8);
  let mails = 0;
  stranger.subscribe(subjects.mailbox(OF), { callback: () => void (mails += 1) });
  await stranger.flush();
  link.greet(TO);
  await waitFor(() => mails === 1, { what: 'the greeting' });
  link.end();
  link.greet(TO);
  await connection.flush();
  stranger.publish(subjects.report(OF), reportOf(9));
  await stranger.flush();
  await connection.flush();
  await stranger.flush();
  expect([mails, beats()]).toEqual([1, [8]]);
});

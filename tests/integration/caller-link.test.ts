/** Questions to callers on a real server, and who else answers them: NatsCallerLink. */
import { silentLogger, subjects } from '@llmos/base';
import type { CallerId, TenantCaller, TenantId } from '@llmos/base';
import { NatsCallerLink } from '@llmos/kernel/testing';
import { closeLink } from '@llmos/wire';
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { openKernelLink } from '../support/kernel-link';
import { startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { ODD_HEADERS, publishOddHeaders, rawPublish } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

const callerOf = (caller: string): TenantCaller => {
  return { tenant: 'acme' as TenantId, caller: caller as CallerId };
};

let nats: TestNatsServer;
/** As a kernel has it, behind its guards. */
let connection: NatsConnection;
let stranger: NatsConnection;
let link: NatsCallerLink;
let skipped: string[];
/** Each in the order in which it came. */
let news: string[];

beforeEach(async () => {
  [skipped, news] = [[], []];
  nats = await startNatsServer({ jetstream: false });
  connection = await openKernelLink(nats.url, {
    onSkipped: ({ subject }) => void skipped.push(subject),
  });
  stranger = await connect({ servers: nats.url });
  link = new NatsCallerLink({ connection, log: silentLogger });
  begin();
  await connection.flush();
});
afterEach(async () => {
  link?.end();
  await stranger?.close();
  if (connection !== undefined) await closeLink(connection);
  await nats?.stop();
});

function begin(): void {
  link.begin({
    onAlive: ({ tenant, caller }) => void news.push(`alive ${tenant} ${caller}`),
    onUnheard: ({ tenant, caller }) => void news.push(`unheard ${tenant} ${caller}`),
    onMark: (mark) => void news.push(`mark ${mark}`),
    onReconnect: () => void news.push('reconnect'),
  });
}
/** Whatever was sent to the kernel before has been heard. */
async function expectMark(mark: number): Promise<void> {
  await stranger.flush();
  link.mark(mark);
  await waitFor(() => news.includes(`mark ${mark}`), { what: `mark ${mark}` });
}

it('hears who answers and of whom nobody listens, all before the mark behind them', async () => {
  const asked: string[] = [];
  stranger.subscribe(subjects.caller(callerOf('here')), {
    callback: (_error, msg) => {
      asked.push(msg.reply ?? '');
      msg.respond();
    },
  });
  await stranger.flush();
  link.ask(callerOf('gone'));
  await expectMark(1);
  expect(news).toEqual(['unheard acme gone', 'mark 1']);
  link.ask(callerOf('here'));
  await waitFor(() => news.includes('alive acme here'), { what: 'the answer' });
  expect(asked).toEqual([subjects.alive(callerOf('here'))]);
});

it('takes any bytes on the subject of a caller for its answer, whoever sent them', async () => {
  const alive = subjects.alive(callerOf('c1'));
  for (const body of ['', 'garbage', '\xff\0']) stranger.publish(alive, body);
  await stranger.flush();
  for (const body of ['', 'garbage']) {
    await publishOddHeaders({ url: nats.url, subject: alive, body: Buffer.from(body) });
  }
  // A status counts only without a body, as the server sends it.
  const status = 'NATS/1.0 503\r\n\r\n';
  const of = { url: nats.url, subject: alive, headerBytes: status.length };
  await rawPublish({ ...of, bytes: Buffer.from(`${status}x`) });
  await expectMark(1);
  const answers = 3 + 2 * Object.keys(ODD_HEADERS).length + 1;
  expect(news).toEqual([...Array.from({ length: answers }, () => 'alive acme c1'), 'mark 1']);
  expect(skipped).toEqual([]);
});

it('leaves out answers of callers that can’t be, and marks that nobody set', async () => {
  const marks: string[] = [];
  stranger.subscribe('_INBOX.>', { callback: (_error, msg) => void marks.push(msg.subject) });
  await stranger.flush();
  await expectMark(1);
  const inbox = marks[0]?.slice(0, -'.1'.length) ?? '';
  const odd = ['acme.>', '*.c1', 'acme.c!1', `acme.${'c'.repeat(65)}`];
  for (const tokens of odd) {
    const [subject, headers] = [`llmos.v1.alive.${tokens}`, 'NATS/1.0\r\n\r\n'];
    const bytes = Buffer.from(headers);
    await rawPublish({ url: nats.url, subject, headerBytes: bytes.length, bytes });
  }
  for (const token of ['x', '-', '1e999', '%']) stranger.publish(`${inbox}.${token}`, 'garbage');
  await publishOddHeaders({ url: nats.url, subject: `${inbox}.y`, body: Buffer.from('') });
  await expectMark(2);
  expect([news, skipped]).toEqual([['mark 1', 'mark 2'], []]);
});

it('tells that the server was away, also who begins soon after, and asks again', async () => {
  await nats.restart();
  await waitFor(() => news.includes('reconnect'), { what: 'the connection to be back' });
  await waitFor(() => stranger.flush().then(() => true), { what: 'the stranger to be back' });
  link.ask(callerOf('gone'));
  await expectMark(1);
  expect(news).toEqual(['reconnect', 'unheard acme gone', 'mark 1']);
  link.end();
  stranger.publish(subjects.alive(callerOf('late')));
  await stranger.flush();
  begin();
  await expectMark(2);
  expect(news.slice(3)).toEqual(['reconnect', 'mark 2']);
});

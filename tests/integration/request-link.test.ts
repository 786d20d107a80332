/** Requests over a real server, whatever they are: NatsRequestLink. */
import { decodeJson, encodeJson, silentLogger, subjects } from '@llmos/base';
import type { FunctionName, Logger, TaskId, TenantId } from '@llmos/base';
import { NatsRequestLink } from '@llmos/kernel/testing';
import type { ForeignRequest, RequestKind, RequestKinds } from '@llmos/kernel/testing';
import { closeLink } from '@llmos/wire';
import { connect, createInbox } from 'nats';
import type { NatsConnection } from 'nats';
import { openKernelLink } from '../support/kernel-link';
import { startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';
import { ODD_HEADERS, publishOddHeaders, rawPublish } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

const ACME = 'acme' as TenantId;
const CALL = subjects.call({ tenant: ACME, function: 'echo' as FunctionName });
const CANCEL = subjects.cancel({ tenant: ACME, task: 't1' as TaskId });
const HEADERS = 'NATS/1.0\r\n\r\n';
const ODD = Object.keys(ODD_HEADERS).length;

let nats: TestNatsServer;
/** As a kernel has it, behind its guards. */
let connection: NatsConnection;
let stranger: NatsConnection;
let link: NatsRequestLink;
let skipped: string[];
let counts: string[];
let logged: string[];
/** What came to the stranger's inbox. */
let answers: string[];
let inbox: string;

beforeEach(async () => {
  [skipped, counts, logged, answers, inbox] = [[], [], [], [], createInbox()];
  nats = await startNatsServer({ jetstream: false });
  connection = await openKernelLink(nats.url, {
    onSkipped: ({ subject }) => void skipped.push(subject),
  });
  stranger = await connect({ servers: nats.url });
  const note = (event: string): void => void logged.push(event);
  const log: Logger = { ...silentLogger, info: note, warn: note, error: note };
  const counters = { add: (name: string) => void counts.push(name), observe: () => undefined };
  link = new NatsRequestLink({ connection, log, counters });
  stranger.subscribe(inbox, { callback: (_error, msg) => void answers.push(msg.string()) });
  await stranger.flush();
});
afterEach(async () => {
  await stranger?.close();
  if (connection !== undefined) await closeLink(connection);
  await nats?.stop();
});

/** Answers with what was read of it; a body of `break` throws. */
async function serve<Kind extends RequestKind>(kind: Kind) {
  const served = link.serve(kind, (request: ForeignRequest<RequestKinds[Kind]>) => {
    const reading = request.read();
    if (reading.kind === 'invalid') return request.answer({ ...reading, kind: 'refused' });
    const { body } = reading.asked as { readonly body?: Uint8Array };
    const text = Buffer.from(body ?? []).toString('latin1');
    if (text === 'break') throw new Error('it broke');
    request.answer({ kind: 'output', output: { ...reading.asked, body: text } });
  });
  await link.heard();
  return served;
}

async function ask(subject: string, body: Uint8Array | string = 'x'): Promise<unknown> {
  return decodeJson((await stranger.request(subject, body, { timeout: 30_000 })).data);
}
async function expectServed(): Promise<void> {
  expect(await ask(CALL, 'right')).toMatchObject({ ok: true, output: { body: 'right' } });
}

it('reads each kind of request, and answers it', async () => {
  for (const kind of ['call', 'submit', 'system', 'cancel'] as const) await serve(kind);
  const task = { principal: { tenant: 'acme', isOperator: false }, function: 'echo', body: 'x' };
  const submit = subjects.submit({ tenant: ACME, function: 'echo' as FunctionName });
  for (const subject of [CALL, submit]) {
    expect(await ask(subject)).toMatchObject({ ok: true, output: task });
  }
  const sys = subjects.sys({ principal: 'operator' as TenantId, call: 'info' });
  expect(await ask(sys, '')).toMatchObject({ output: { call: 'info', body: '' } });
  expect(await ask(CANCEL)).toMatchObject({ output: { task: 't1' } });
  expect([counts, logged, skipped]).toEqual([[], [], []]);
});

it('hands on any body as it is, and judges a request by the headers that can be read', async () => {
  await serve('call');
  for (const body of [[], [0xff, 0], [0x7b], [0x0a, 0xff, 0xff, 0xff, 0x7f]]) {
    const bytes = Uint8Array.from(body);
    const text = Buffer.from(bytes).toString('latin1');
    expect(await ask(CALL, bytes)).toMatchObject({ ok: true, output: { body: text } });
  }
  const subject = `${CALL} ${inbox}`;
  await publishOddHeaders({ url: nats.url, subject, body: Buffer.from('x') });
  await expectServed();
  await waitFor(() => answers.length === ODD, { what: 'an answer to each' });
  const read = answers.map((text) => decodeJson(Buffer.from(text)));
  const large = Object.keys(ODD_HEADERS).indexOf('more than a request may have');
  for (const taken of read.slice(0, large)) {
    expect(taken).toMatchObject({ ok: true, output: { function: 'echo', body: 'x' } });
  }
  // Of a repeated header the first counts.
  expect(read[large - 1]).toMatchObject({ output: { terms: { key: 'a' } } });
  for (const refused of read.slice(large)) {
    expect(refused).toMatchObject({ ok: false, error: { code: 'INVALID_ARGUMENT' } });
  }
  expect([logged, skipped]).toEqual([[], []]);
});

it('refuses subjects that name nothing, and answers nobody who may not be', async () => {
  await serve('call');
  await serve('cancel');
  const odd = ['acme.>', '*.echo', 'acme.e!cho', `acme.${'e'.repeat(65)}`];
  for (const tokens of odd) {
    const bytes = Buffer.from(`${HEADERS}x`);
    const subject = `llmos.v1.call.${tokens} ${inbox}`;
    await rawPublish({ url: nats.url, subject, headerBytes: HEADERS.length, bytes });
  }
  await waitFor(() => answers.length === odd.length, { what: 'an answer to each' });
  for (const text of answers) expect(text).toContain('INVALID_ARGUMENT');
  const told: string[] = [];
  stranger.subscribe('llmos.v1.sys.operator.stop', {
    callback: (_error, msg) => void told.push(msg.subject),
  });
  const replies = ['llmos.v1.sys.operator.stop', '$JS.API.STREAM.DELETE.LLMOS_TASKS', 'a.b'];
  for (const reply of replies) stranger.publish(CALL, 'x', { reply });
  stranger.publish(CALL, 'x');
  stranger.publish(CANCEL, 'x', { reply: 'llmos.v1.sys.operator.stop' });
  await expectServed();
  expect(told).toEqual([]);
  expect(counts).toEqual(Array.from({ length: 4 }, () => 'requests_unanswerable'));
});

it('goes on after a request that broke it, and beside who answers in its place', async () => {
  await serve('call');
  stranger.publish(CALL, 'break', { reply: inbox });
  await expectServed();
  expect([logged, answers]).toEqual([['request-failed'], []]);
  // To be heard first is all that the other one gains.
  const other = stranger.subscribe(CALL, {
    callback: (_error, msg) => {
      msg.respond(encodeJson('foreign'));
      msg.respond(Buffer.from([0xff]));
    },
  });
  await stranger.flush();
  stranger.publish(CALL, 'x', { reply: inbox });
  await waitFor(() => answers.length === 3, { what: 'all answers' });
  expect(answers.filter((text) => text.includes('"ok":true'))).toHaveLength(1);
  other.unsubscribe();
  await expectServed();
});

it('is heard again once the server is back, and hands on what was sent before its stop', async () => {
  const served = await serve('call');
  await nats.restart();
  await link.heard();
  await waitFor(() => stranger.flush().then(() => true), { what: 'the stranger to be back' });
  await expectServed();
  for (let n = 0; n < 100; n += 1) stranger.publish(CALL, 'x', { reply: inbox });
  await stranger.flush();
  await served.stop();
  stranger.publish(CALL, 'late', { reply: inbox });
  await stranger.flush();
  await connection.flush();
  await stranger.flush();
  expect(answers.filter((text) => text.includes('"ok":true'))).toHaveLength(100);
});

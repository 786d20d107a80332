import { decodeJson, errorBody, silentLogger } from '@llmos/base';
import type { Msg, NatsConnection } from '@llmos/wire';
import { silentCounters } from '../../ports/kernel-counters';
import type { AskedTask, ForeignRequest } from '../../ports/request-link';
import { NatsRequestLink } from './nats-request-link';

/** A link to a server of small messages: what comes to its subject, and what is sent. */
function setUp() {
  const sent: { readonly subject: string; readonly body: Uint8Array }[] = [];
  let hear: (error: null, msg: Msg) => void = () => undefined;
  const connection = {
    info: { max_payload: 4_096 },
    isClosed: () => false,
    publish: (subject: string, body: Uint8Array) => sent.push({ subject, body }),
    subscribe: (_subject: string, of: { callback: typeof hear }) => {
      hear = of.callback;
      return { drain: () => Promise.resolve() };
    },
  } as unknown as NatsConnection;
  const link = new NatsRequestLink({ connection, log: silentLogger, counters: silentCounters });
  return { link, sent, come: (msg: Msg) => hear(null, msg) };
}

it('answers an error that names both sizes instead of what the server does not take', () => {
  const { link, sent, come } = setUp();
  const bodies = [new Uint8Array(3_584), new Uint8Array(3_585)];
  link.serve('call', (request) => {
    const body = bodies.shift() ?? new Uint8Array();
    request.answer({ kind: 'result', body, format: 'protobuf' });
  });
  const msg = { subject: 'p', reply: '_INBOX.a', data: new Uint8Array() } as Msg;
  come(msg);
  come(msg);
  expect(sent[0]?.body).toHaveLength(3_584);
  expect(decodeJson(sent[1]?.body ?? new Uint8Array())).toMatchObject({
    ok: false,
    error: {
      code: 'RESOURCE_EXHAUSTED',
      retryable: false,
      message:
        'the answer has 3585 bytes, and the NATS server takes 3584 beside headers (max_payload)',
      details: { bytes: 3_585, limitBytes: 3_584 },
    },
  });
});

it('refuses headers that no task may have, before they are decoded, and answers nobody else', () => {
  const { link, sent, come } = setUp();
  const handled: unknown[] = [];
  link.serve('cancel', (request) => {
    const own = request.own();
    const reading = own.read();
    handled.push([own.owner, own.bytes > 65_536, reading.kind]);
    if (reading.kind === 'invalid') own.answer({ ...reading, kind: 'refused' });
  });
  const requestOf = (headerBytes: number, reply: string): Msg => {
    const data = new Uint8Array(10);
    const subject = 'llmos.v1.cancel.acme.t1';
    const size = (): number => subject.length + reply.length + headerBytes + data.length;
    const message = { subject, reply, data, size };
    return Object.defineProperty(message, 'headers', {
      get: () => {
        throw new Error('they were decoded');
      },
    }) as unknown as Msg;
  };
  come(requestOf(65_537, '_INBOX.b'));
  come(requestOf(65_537, ''));
  come(requestOf(65_537, 'llmos.v1.sys.operator.stop'));
  // It waits in the line of its tenant like any other.
  expect(handled).toEqual(Array.from({ length: 3 }, () => ['acme', true, 'invalid']));
  expect(sent.map(({ subject }) => subject)).toEqual(['_INBOX.b']);
  expect(decodeJson(sent[0]?.body ?? new Uint8Array())).toMatchObject({
    ok: false,
    error: {
      code: 'INVALID_ARGUMENT',
      retryable: false,
      message: 'the headers of the request have 65537 bytes; at most 65536 are read',
      details: { bytes: 65_537, limitBytes: 65_536 },
    },
  });
});

const NEVER = new Promise<never>(() => undefined);
const refused = (): Promise<void> => Promise.reject(new Error('disconnected'));

function linkOf(connection: Record<string, unknown>): NatsRequestLink {
  return new NatsRequestLink({
    connection: connection as unknown as NatsConnection,
    log: silentLogger,
    counters: silentCounters,
  });
}

it('is heard once the server has read what is subscribed, however often that is cut off', async () => {
  const flushes = [refused, refused, () => Promise.resolve(), refused];
  const flush = (): Promise<void> => flushes.shift()?.() ?? NEVER;
  await linkOf({ flush, isClosed: () => false, closed: () => NEVER }).heard();
  expect(flushes).toHaveLength(1);
});

it('waits for no server whose connection is closed for good', async () => {
  await linkOf({ isClosed: () => true }).heard();
  const closed = (): Promise<void> => Promise.resolve();
  await linkOf({ flush: () => NEVER, isClosed: () => false, closed }).heard();
});

it('hands on what the server had sent when it was stopped, and waits for that', async () => {
  let drained: () => void = () => undefined;
  const drain = (): Promise<void> => new Promise((resolve) => (drained = resolve));
  const link = linkOf({ subscribe: () => ({ drain }) });
  let isStopped = false;
  const stopped = link
    .serve('call', () => undefined)
    .stop()
    .then(() => (isStopped = true));
  await Promise.resolve();
  expect(isStopped).toBe(false);
  drained();
  await stopped;
  // One that is closed already has nothing more.
  await linkOf({ subscribe: () => ({ drain: refused }) })
    .serve('call', () => undefined)
    .stop();
});

it('says how many bytes a request has with its headers, and what answers it holds none of them', () => {
  const { link, sent, come } = setUp();
  const requests: ForeignRequest<AskedTask>[] = [];
  link.serve('call', (request) => requests.push(request));
  const own = { subject: 'p', reply: '_INBOX.a', data: new Uint8Array(3) };
  come({ ...own, size: () => 1_003 } as unknown as Msg);
  come(own as Msg);
  expect(requests.map(({ bytes }) => bytes)).toEqual([1_003, 3]);
  const [request] = requests as [ForeignRequest<AskedTask>];
  const error = errorBody('INVALID_ARGUMENT', 'late');
  request.answering().answer({ kind: 'output', output: 1 });
  request.answering().answer({ kind: 'refused', error, format: 'json' });
  request.own().answer({ kind: 'refused', error, format: 'json' });
  expect(sent.map(({ subject }) => subject)).toEqual(['_INBOX.a']);
});

it('owns what it keeps of a request that waits: its headers, its body, and how to answer it', () => {
  const { link, sent, come } = setUp();
  const requests: ForeignRequest<AskedTask>[] = [];
  link.serve('call', (request) => requests.push(request));
  const read = new Uint8Array(64 * 1024);
  read.set([1, 2, 3], 500);
  const headers = [['Llmos-Id', ['t1']]];
  const subject = 'llmos.v1.call.acme.echo';
  const msg = { subject, reply: '_INBOX.a', data: read.subarray(500, 503), headers };
  come(msg as unknown as Msg);
  const own = (requests as [ForeignRequest<AskedTask>])[0].own();
  expect([own.owner, own.bytes, own.label]).toEqual(['acme', 3, subject]);
  const reading = own.read();
  if (reading.kind === 'invalid') throw new Error(reading.error.message);
  const { principal, function: name, terms, body } = reading.asked;
  expect([principal.tenant, name, terms.id]).toEqual(['acme', 'echo', 't1']);
  expect([...body]).toEqual([1, 2, 3]);
  expect(body.buffer).not.toBe(read.buffer);
  own.answer({ kind: 'output', output: 1 });
  expect(sent.map(({ subject }) => subject)).toEqual(['_INBOX.a']);
});

it('writes a refusal that many requests are given once', () => {
  const { link, sent, come } = setUp();
  const error = errorBody('RESOURCE_EXHAUSTED', 'full');
  const shared = { kind: 'refused', error, format: 'json', isShared: true } as const;
  link.serve('submit', (request) => request.answer(shared));
  for (const reply of ['_INBOX.a', '_INBOX.b']) {
    come({ subject: 'llmos.v1.submit.acme.echo', reply, data: new Uint8Array() } as Msg);
  }
  expect(sent).toHaveLength(2);
  expect(sent[1]?.body).toBe(sent[0]?.body);
  expect(decodeJson(sent[0]?.body ?? new Uint8Array())).toEqual({ ok: false, error });
});

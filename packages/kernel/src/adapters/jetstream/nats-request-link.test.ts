import { decodeJson, errorBody, silentLogger } from '@llmos/base';
import type { Msg, NatsConnection } from 'nats';
import { silentCounters } from '../../ports/kernel-counters';
import type { ForeignRequest } from '../../ports/request-link';
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
      return { unsubscribe: () => undefined };
    },
  } as unknown as NatsConnection;
  const link = new NatsRequestLink({ connection, log: silentLogger, counters: silentCounters });
  return { link, sent, come: (msg: Msg) => hear(null, msg) };
}

it('answers an error that names both sizes instead of what the server does not take', () => {
  const { link, sent, come } = setUp();
  const bodies = [new Uint8Array(3_584), new Uint8Array(3_585)];
  const handle = (request: ForeignRequest): void => {
    request.answer(bodies.shift() ?? new Uint8Array(), 'protobuf');
  };
  link.serve({ pattern: 'p', handle });
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

it('is heard once the server has read what is subscribed, and where that fails later', async () => {
  const flushes = [Promise.resolve(), Promise.reject(new Error('disconnected'))];
  const asked: number[] = [];
  const connection = {
    flush: () => {
      asked.push(flushes.length);
      return flushes.shift();
    },
  } as unknown as NatsConnection;
  const link = new NatsRequestLink({ connection, log: silentLogger, counters: silentCounters });
  await link.heard();
  await link.heard();
  expect(asked).toEqual([2, 1]);
});

it('says how many bytes a request has with its headers, and what answers it holds none of them', () => {
  const { link, sent, come } = setUp();
  const requests: ForeignRequest[] = [];
  link.serve({ pattern: 'p', handle: (request) => requests.push(request) });
  const own = { subject: 'p', reply: '_INBOX.a', data: new Uint8Array(3) };
  come({ ...own, size: () => 1_003 } as unknown as Msg);
  come(own as Msg);
  expect(requests.map(({ bytes }) => bytes)).toEqual([1_003, 3]);
  const [{ answer, refuse }] = requests as [ForeignRequest];
  answer(new Uint8Array(1));
  refuse(errorBody('INVALID_ARGUMENT', 'late'), new Uint8Array(1));
  expect(sent.map(({ subject }) => subject)).toEqual(['_INBOX.a']);
});

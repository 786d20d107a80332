import { BUILT_IN_FUNCTIONS, decodeJson, encodeJson, silentLogger } from '@llmos/base';
import { collectGarbage, manualClock } from '@llmos/base/testing';
import { silentCounters } from '../ports/kernel-counters';
import type { Answering, ForeignRequest } from '../ports/request-link';
import { startCallService } from './call-service';
import { DeliveredAnswers } from './delivered-answers';
import { ResultWaiters } from './result-waiters';
import { StoredIds } from './stored-ids';

/** A service for which at most two calls may wait, and what its callers hear. */
function setUp() {
  const published: string[] = [];
  const claims: (string | undefined)[] = [];
  const looked: string[] = [];
  const held: WeakRef<object>[] = [];
  let forwarded: [string, string][] = [];
  const answers: unknown[] = [];
  const clock = manualClock();
  let handle: (request: ForeignRequest) => void = () => undefined;
  startCallService({
    requests: {
      maxAnswerBytes: () => 1024 * 1024,
      serve: (of) => {
        handle = of.handle;
        return { stop: () => Promise.resolve() };
      },
      heard: () => Promise.resolve(),
      finish: () => Promise.resolve(),
      refuseRest: () => undefined,
    },
    publisher: {
      maxBodyBytes: () => 1_000,
      publish: (of) => {
        published.push(Buffer.from(of.body).toString());
        forwarded = [...of.headers];
        held.push(new WeakRef(of.body), new WeakRef(of.headers));
        claims.push(of.headers.get('Llmos-Id-New'));
        return Promise.resolve({ sequence: published.length });
      },
    },
    results: {
      readForTask: ({ task }) => {
        looked.push(task);
        return Promise.resolve(undefined);
      },
    },
    waiters: new ResultWaiters({
      clock,
      maxWaiters: 2,
      maxWaitersPerTenant: 1_000,
      lookUp: () => Promise.resolve(undefined),
      readNoticed: () => Promise.resolve(undefined),
      onTaken: () => undefined,
      onLookUpFailed: () => undefined,
    }),
    context: {
      functionOf: (name) => BUILT_IN_FUNCTIONS.find((one) => one.name === name),
      inputCheckOf: () => undefined,
      functionNames: () => [],
      readProtobuf: () => {
        throw new Error('no test sends protobuf');
      },
      maxBodyBytes: () => 1_000,
    },
    storedIds: new StoredIds({ maxIds: 10, nowMs: () => clock.nowMs() }),
    heldIdentity: () => undefined,
    delivered: new DeliveredAnswers({
      nowMs: () => clock.nowMs(),
      capacityBytes: () => undefined,
      forget: () => Promise.resolve(),
    }),
    counters: silentCounters,
    log: silentLogger,
    clock,
    time: clock,
    encodeResult: (result) => ({ body: encodeJson(result) }),
  });
  const call = (value: number, headers: Readonly<Record<string, string>> = {}): void =>
    handle(requestOf(value, headers));
  const answering: Answering = {
    answer: (body) => void answers.push(decodeJson(body)),
    refuse: (_error, body) => void answers.push(decodeJson(body)),
  };
  const requestOf = (value: number, headers: Readonly<Record<string, string>>): ForeignRequest => {
    const request: ForeignRequest = {
      subject: 'llmos.v1.call.acme.echo',
      header: (name) => headers[name],
      body: encodeJson(value),
      ...answering,
      bytes: 1,
      own: () => request,
    };
    return request;
  };
  return { call, published, answers, claims, looked, held, forwarded: () => new Map(forwarded) };
}

it('answers RESOURCE_EXHAUSTED, and stores nothing, while too many calls wait', () => {
  const { call, published, answers } = setUp();
  for (const value of [1, 2, 3]) call(value);
  expect(published).toEqual(['1', '2']);
  expect(answers).toEqual([
    {
      ok: false,
      error: {
        code: 'RESOURCE_EXHAUSTED',
        retryable: true,
        message: expect.stringContaining('calls wait for their results already') as string,
        details: { retryAfterMs: expect.any(Number) as number },
      },
    },
  ]);
});

describe('an id that the client made for this call', () => {
  const made = { 'Llmos-Id': 'made', 'Llmos-Id-New': 'true' };

  it('is not looked up, and the leader is told why', () => {
    const { call, claims, looked } = setUp();
    call(1, made);
    expect(looked).toEqual([]);
    expect(claims).toEqual(['true']);
  });

  it('is looked up where this kernel stored it before, and the leader is not told', async () => {
    const { call, claims, looked } = setUp();
    call(1, made);
    await new Promise(setImmediate);
    call(1, made);
    expect(looked).toEqual(['made']);
    expect(claims).toEqual(['true', undefined]);
  });

  it('that nobody calls new is looked up', () => {
    const { call, claims, looked } = setUp();
    call(1, { 'Llmos-Id': 'made' });
    expect(looked).toEqual(['made']);
    expect(claims).toEqual([undefined]);
  });
});

it.each([{}, { 'Llmos-Id': 'own' }])(
  'holds neither headers nor body of a call that waits, with headers %p',
  async (headers: Readonly<Record<string, string>>) => {
    const { call, published, answers, held } = setUp();
    call(1, headers);
    await collectGarbage();
    expect([published, answers]).toEqual([['1'], []]);
    expect(held.map((each) => each.deref())).toEqual([undefined, undefined]);
  },
);

it('forwards what it has read of headers that have no bound of their own', () => {
  const { call, forwarded } = setUp();
  const long = 'x'.repeat(60_000);
  call(1, { 'Content-Type': `application/json; ${long}`, traceparent: long, 'Llmos-Flow': 'f' });
  expect(forwarded().get('Content-Type')).toBe('application/json');
  expect(forwarded().has('traceparent')).toBe(false);
  expect(forwarded().get('Llmos-Flow')).toBe('f');
});

import type { FunctionName, TaskId, TaskTerms, TenantId } from '@llmos/base';
import { BUILT_IN_FUNCTIONS, WIRE_LIMITS, encodeJson, silentLogger } from '@llmos/base';
import { collectGarbage, manualClock, termsOf } from '@llmos/base/testing';
import { silentCounters } from '../ports/kernel-counters';
import type { AskedTask, ForeignRequest, RequestOutcome } from '../ports/request-link';
import { startCallService } from './call-service';
import { DeliveredAnswers } from './delivered-answers';
import { makeRequest, resultOf } from './request-fixture';
import { ResultWaiters } from './result-waiters';
import { StoredIds } from './stored-ids';

/** A service for which at most two calls may wait, and what its callers hear. */
function setUp() {
  const published: string[] = [];
  const terms: TaskTerms[] = [];
  const looked: string[] = [];
  const held: WeakRef<object>[] = [];
  const answers: unknown[] = [];
  const clock = manualClock();
  let handle: (request: ForeignRequest<AskedTask>) => void = () => undefined;
  startCallService({
    requests: {
      maxAnswerBytes: () => 1024 * 1024,
      serve: (_kind, given) => {
        handle = given as typeof handle;
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
        terms.push(of.terms);
        held.push(new WeakRef(of.body));
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
  });
  const answer = (outcome: RequestOutcome): void => void answers.push(resultOf(outcome));
  const principal = { tenant: 'acme' as TenantId, isOperator: false };
  const call = (value: number, changes: Partial<TaskTerms> = {}): void => {
    const asked: AskedTask = {
      principal,
      function: 'echo' as FunctionName,
      terms: termsOf(changes),
      body: encodeJson(value),
    };
    handle(makeRequest({ owner: 'acme', read: () => ({ kind: 'read', asked }), answer }));
  };
  const claims = (): boolean[] => terms.map(({ isIdNew }) => isIdNew);
  return { call, published, answers, claims, looked, held, terms };
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
  const id = 'made' as TaskId;
  const made = { id, isIdNew: true };

  it('is not looked up, and the leader is told why', () => {
    const { call, claims, looked } = setUp();
    call(1, made);
    expect(looked).toEqual([]);
    expect(claims()).toEqual([true]);
  });

  it('is looked up where this kernel stored it before, and the leader is not told', async () => {
    const { call, claims, looked } = setUp();
    call(1, made);
    await new Promise(setImmediate);
    call(1, made);
    expect(looked).toEqual(['made']);
    expect(claims()).toEqual([true, false]);
  });

  it('that nobody calls new is looked up', () => {
    const { call, claims, looked } = setUp();
    call(1, { id });
    expect(looked).toEqual(['made']);
    expect(claims()).toEqual([false]);
  });
});

it.each([{}, { id: 'own' as TaskId }])(
  'does not hold the body of a call that waits, with terms %p',
  async (terms: Partial<TaskTerms>) => {
    const { call, published, answers, held } = setUp();
    call(1, terms);
    await collectGarbage();
    expect([published, answers]).toEqual([['1'], []]);
    expect(held.map((each) => each.deref())).toEqual([undefined]);
  },
);

it('has a time limit, and an answer that nobody can ask for again is kept briefly', () => {
  const { call, terms } = setUp();
  call(1);
  expect(terms).toMatchObject([
    { timeoutMs: WIRE_LIMITS.defaultCallTimeoutMs, keepMs: WIRE_LIMITS.answerKeepMs },
  ]);
  call(2, { id: 'own' as TaskId, deadlineWallMs: 1_900_000_000_000 });
  expect(terms[1]).toEqual(termsOf({ id: 'own' as TaskId, deadlineWallMs: 1_900_000_000_000 }));
});

import type { Result, TenantId } from '@llmos/base';
import { encodeJson, silentLogger } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { KernelEvent } from '../kernel-event';
import { silentCounters } from '../ports/kernel-counters';
import type { Principal } from '../ports/principal';
import type {
  ForeignRequest,
  RequestKind,
  RequestOutcome,
  RequestReading,
} from '../ports/request-link';
import { Registry } from './registry';
import { makeRequest, resultOf } from './request-fixture';
import type { SystemServiceOptions } from './system-service';
import { startSystemService } from './system-service';

/** A system service whose calls the test makes. */
function setUp(
  more: Pick<SystemServiceOptions, 'store' | 'isLeading'> & Partial<SystemServiceOptions>,
  isOperator = true,
) {
  const handlers = new Map<RequestKind, (request: ForeignRequest<never>) => void>();
  const delivered: KernelEvent[] = [];
  startSystemService({
    ...({} as SystemServiceOptions),
    requests: {
      maxAnswerBytes: () => 1024 * 1024,
      serve: (kind, handle) => {
        handlers.set(kind, handle);
        return { stop: () => Promise.resolve() };
      },
      heard: () => Promise.resolve(),
      finish: () => Promise.resolve(),
      refuseRest: () => undefined,
    },
    registry: new Registry(silentLogger),
    deliver: (event) => void delivered.push(event),
    isFull: () => false,
    counters: silentCounters,
    log: silentLogger,
    isServing: () => true,
    ...more,
  });
  const principal: Principal = { tenant: 'acme' as TenantId, isOperator };
  const ask = (kind: RequestKind, asked: unknown): Promise<Result> =>
    new Promise((resolve) => {
      const read = () => ({ kind: 'read', asked }) as RequestReading<never>;
      const answer = (outcome: RequestOutcome): void => resolve(resultOf(outcome));
      handlers.get(kind)?.(makeRequest({ owner: 'acme', read, answer }));
    });
  const call = (name: string, request: object): Promise<Result> =>
    ask('system', { principal, call: name, body: encodeJson(request) });
  const cancel = (task: string): Promise<Result> => ask('cancel', { principal, task });
  return { call, cancel, delivered };
}

describe('spawn', () => {
  it('is answered once the wish is written and on its way', async () => {
    const written: object[] = [];
    const store = {
      writeDesired: async (wish: object) => Promise.resolve(void written.push(wish)),
    };
    const { call, delivered } = setUp({ store, isLeading: () => true });
    const request = { model: 'echo', replicas: 2 };
    expect(await call('spawn', request)).toEqual({ ok: true, output: request });
    expect(written).toEqual([request]);
    expect(delivered).toEqual([{ kind: 'spawn-requested', request }]);
  });

  it('is refused where the leadership ended while the wish was written', async () => {
    let isLeading = true;
    const store = { writeDesired: async () => Promise.resolve(void (isLeading = false)) };
    const { call } = setUp({ store, isLeading: () => isLeading });
    expect(await call('spawn', { model: 'echo', replicas: 2 })).toMatchObject({
      ok: false,
      error: { code: 'UNAVAILABLE', retryable: true },
    });
  });
});

const store = { writeDesired: () => Promise.resolve() };

it('says that it does nothing once its leadership has ended, or ends', async () => {
  const isServing = (): boolean => false;
  const { call, cancel, delivered } = setUp({ store, isLeading: () => false, isServing });
  const refused = { ok: false, error: { code: 'UNAVAILABLE', retryable: true } };
  expect(await call('kill', { pid: 'p1' })).toMatchObject(refused);
  expect(await call('functions', {})).toMatchObject(refused);
  expect(await cancel('t1')).toMatchObject(refused);
  expect(delivered).toEqual([]);
});

it('leaves to whoever leads what it may not confirm while its lease has lapsed', async () => {
  const { call, cancel, delivered } = setUp({ store, isLeading: () => false });
  const told: string[] = [];
  void call('kill', { pid: 'p1' }).then(() => told.push('kill'));
  void cancel('t1').then(() => told.push('cancel'));
  expect(await call('functions', {})).toMatchObject({ ok: true });
  expect(told).toEqual([]);
  expect(delivered).toEqual([{ kind: 'cancel-requested', tenant: 'acme', task: 't1' }]);
});

it('takes as much as a call may have to say', async () => {
  const { call } = setUp({ store, isLeading: () => true });
  const answer = await call('functions', { pageToken: 'x'.repeat(9_000) });
  expect(answer).toMatchObject({ ok: false, error: { code: 'INVALID_ARGUMENT' } });
});

it('refuses what makes an event while the loop has no room, and says when to ask again', async () => {
  let isFull = true;
  const { call, cancel, delivered } = setUp({ store, isLeading: () => true, isFull: () => isFull });
  const { retryAfterMs } = EDGE_LIMITS;
  const tooMany = {
    ok: false,
    error: { code: 'RESOURCE_EXHAUSTED', retryable: true, details: { retryAfterMs } },
  };
  const spawn = { model: 'echo', replicas: 1 };
  expect(await cancel('t1')).toMatchObject(tooMany);
  expect(await call('spawn', spawn)).toMatchObject(tooMany);
  expect(await call('kill', { pid: 'p1' })).toMatchObject(tooMany);
  expect(delivered).toEqual([]);
  isFull = false;
  expect(await cancel('t1')).toMatchObject({ ok: true });
  expect(await call('spawn', spawn)).toMatchObject({ ok: true });
  expect(delivered).toHaveLength(2);
});

it('does for an operator alone what all tenants share', async () => {
  const { call, delivered } = setUp({ store, isLeading: () => true }, false);
  expect(await call('spawn', { model: 'echo', replicas: 2 })).toMatchObject({
    ok: false,
    error: {
      code: 'PERMISSION_DENIED',
      message: 'only an operator may call spawn, not "acme"',
    },
  });
  expect(await call('functions', {})).toMatchObject({ ok: true });
  expect(delivered).toEqual([]);
});

import { decodeJson, silentLogger } from '@llmos/base';
import type { ForeignRequest, RequestLink } from '../ports/request-link';
import { FairRequests } from './fair-requests';

const LIMITS = {
  requestsPerTurn: 2,
  maxWaitingRequests: 6,
  maxWaitingRequestsPerTenant: 4,
  maxWaitingRequestBytes: 1_000,
  retryAfterMs: 100,
};

function setUp() {
  const turns: (() => void)[] = [];
  const handled: string[] = [];
  const answers: unknown[] = [];
  let deliver: (request: ForeignRequest) => void = () => undefined;
  let isStopped = false;
  const inner: RequestLink = {
    maxAnswerBytes: () => 7,
    serve: ({ handle }) => {
      deliver = handle;
      return { stop: () => void (isStopped = true) };
    },
  };
  const requests = new FairRequests({
    inner,
    limits: LIMITS,
    nextTurn: (go) => void turns.push(go),
    counters: { add: () => undefined },
    log: silentLogger,
  });
  const served = requests.serve({
    pattern: 'llmos.v1.call.*.*',
    handle: ({ subject, body }) => {
      const [, , , tenant, name] = subject.split('.');
      if (name === 'broken') throw new Error('a bug');
      handled.push(`${tenant}-${body.length}`);
    },
  });
  const send = (tenant: string, bytes: number, name = 'echo'): void =>
    deliver({
      subject: `llmos.v1.call.${tenant}.${name}`,
      header: () => undefined,
      body: new Uint8Array(bytes),
      answer: (body) => void answers.push(decodeJson(body)),
    });
  const turn = (): void => turns.splice(0).forEach((go) => go());
  return { requests, served, send, turn, turns, handled, answers, isStopped: () => isStopped };
}

it('handles what comes at once while it is little, and asks for no turns once nothing comes', () => {
  const { requests, send, turn, turns, handled } = setUp();
  send('acme', 1);
  send('acme', 2);
  expect(handled).toEqual(['acme-1', 'acme-2']);
  turn();
  expect(turns).toHaveLength(0);
  send('acme', 3);
  expect(handled).toHaveLength(3);
  expect(requests.maxAnswerBytes()).toBe(7);
});

it('handles the request of another tenant next, however many of one wait, each in its order', () => {
  const { send, turn, handled } = setUp();
  for (let n = 1; n <= 6; n += 1) send('acme', n);
  send('zenith', 1);
  expect(handled).toEqual(['acme-1', 'acme-2']);
  turn();
  expect(handled.slice(2)).toEqual(['acme-3', 'zenith-1']);
  // Nothing overtakes what waits.
  send('acme', 7);
  turn();
  turn();
  turn();
  expect(handled.slice(4)).toEqual(['acme-4', 'acme-5', 'acme-6', 'acme-7']);
});

it('tells who sends more than may wait, in number or in bytes, and lets others in', () => {
  const { send, handled, turn, answers } = setUp();
  for (let n = 1; n <= 7; n += 1) send('acme', n);
  expect(answers).toMatchObject([
    { ok: false, error: { code: 'RESOURCE_EXHAUSTED', details: { retryAfterMs: 100 } } },
  ]);
  send('zenith', 1_000);
  expect(answers).toHaveLength(2);
  send('zenith', 1);
  turn();
  expect(handled).toContain('zenith-1');
});

it('handles what waits when it is stopped', () => {
  const { served, send, handled, isStopped } = setUp();
  for (let n = 1; n <= 5; n += 1) send('acme', n);
  served.stop();
  expect(isStopped()).toBe(true);
  expect(handled).toHaveLength(5);
});

it('goes on after a request that fails', () => {
  const { send, turn, handled } = setUp();
  send('acme', 1);
  send('acme', 2);
  send('acme', 3, 'broken');
  send('acme', 4);
  turn();
  expect(handled).toEqual(['acme-1', 'acme-2', 'acme-4']);
});

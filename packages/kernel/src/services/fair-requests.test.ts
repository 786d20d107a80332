import { decodeJson, silentLogger } from '@llmos/base';
import type { ForeignRequest, RequestLink } from '../ports/request-link';
import { manualClock } from '@llmos/base/testing';
import type { FairRequestsLimits } from './fair-requests';
import { FairRequests } from './fair-requests';

const LIMITS = {
  requestsPerTurn: 2,
  requestsPastLine: 1,
  floodedAbove: 100,
  floodedPerTurn: 1,
  maxFloodRequests: 50,
  floodedPauseFactor: 2,
  contestedAfterMs: 1_000,
  maxWaitingRequests: 6,
  maxWaitingRequestsPerTenant: 4,
  maxWaitingRequestBytes: 1_000,
  retryAfterMs: 100,
};

function setUp(limits: Partial<FairRequestsLimits> = {}) {
  const turns: (() => void)[] = [];
  const timers: { readonly go: () => void; readonly atMs: number }[] = [];
  const clock = manualClock();
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
    heard: () => Promise.resolve(),
  };
  const requests = new FairRequests({
    inner,
    limits: { ...LIMITS, ...limits },
    nextTurn: (go) => void turns.push(go),
    later: (go, afterMs) => void timers.push({ go, atMs: clock.nowMs() + afterMs }),
    clock,
    counters: { add: () => undefined },
    log: silentLogger,
  });
  const served = requests.serve({
    pattern: 'llmos.v1.call.*.*',
    handle: ({ subject, body }) => {
      const [, , , tenant, name] = subject.split('.');
      if (name === 'broken') throw new Error('a bug');
      clock.advance(0.5);
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
  const advance = (ms: number): void => {
    clock.advance(ms);
    const due = timers.filter(({ atMs }) => atMs <= clock.nowMs());
    for (const each of due) {
      timers.splice(timers.indexOf(each), 1);
      each.go();
    }
  };
  const stopped = (): boolean => isStopped;
  return { requests, served, send, turn, turns, advance, handled, answers, isStopped: stopped };
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

const FLOOD = { floodedAbove: 3, requestsPerTurn: 3, maxWaitingRequestsPerTenant: 100 };

function sendMany(send: (tenant: string, bytes: number) => void, count: number): void {
  for (let n = 1; n <= count; n += 1) send('acme', n);
}

it('handles a line at full speed while nobody else asks, however long it is', () => {
  const { send, turn, handled } = setUp({ ...FLOOD, maxWaitingRequests: 100 });
  sendMany(send, 12);
  for (let n = 0; n < 3; n += 1) turn();
  expect(handled).toHaveLength(12);
});

it('leaves a flood a third of the time while another tenant asks, and handles that one at once', () => {
  const { send, turn, advance, handled } = setUp({ ...FLOOD, maxWaitingRequests: 100 });
  sendMany(send, 12);
  turn();
  expect(handled).toHaveLength(6);
  send('zenith', 1);
  expect(handled.slice(6)).toEqual(['zenith-1']);
  turn();
  expect(handled.slice(7)).toEqual(['acme-7']);
  // It took 0.5 ms.
  advance(0.9);
  turn();
  expect(handled).toHaveLength(8);
  send('zenith', 2);
  expect(handled.slice(8)).toEqual(['zenith-2']);
  advance(0.5);
  turn();
  expect(handled.slice(9)).toEqual(['acme-8']);
});

it('ends the pauses of a line that is no flood any more, and of one that nobody waits behind', () => {
  const { send, turn, advance, handled } = setUp({ ...FLOOD, maxWaitingRequests: 100 });
  sendMany(send, 20);
  send('zenith', 1);
  turn();
  expect(handled).toHaveLength(4);
  advance(1_000);
  for (let n = 0; n < 6; n += 1) turn();
  expect(handled).toHaveLength(21);
});

it('lets each tenant pass a line so often in one turn only', () => {
  const { send, turn, advance, handled } = setUp({ ...FLOOD, maxWaitingRequests: 100 });
  sendMany(send, 12);
  turn();
  send('zenith', 1);
  send('zenith', 2);
  expect(handled.slice(6)).toEqual(['zenith-1']);
  turn();
  advance(1);
  turn();
  expect(handled).toContain('zenith-2');
});

it('writes once in a turn what it tells who sends too much', () => {
  const { send, turn, answers } = setUp();
  for (let n = 1; n <= 8; n += 1) send('acme', n);
  expect(answers).toHaveLength(2);
  expect(answers[0]).toEqual(answers[1]);
  turn();
  send('acme', 9);
  send('acme', 10);
  send('acme', 11);
  expect(answers.length).toBeGreaterThan(2);
});

it('lets one tenant have a shorter line while several ask', () => {
  const limits = { ...FLOOD, maxWaitingRequests: 100, maxFloodRequests: 4 };
  const { send, answers } = setUp(limits);
  sendMany(send, 10);
  expect(answers).toHaveLength(0);
  send('zenith', 1);
  send('acme', 11);
  expect(answers).toMatchObject([{ error: { code: 'RESOURCE_EXHAUSTED' } }]);
});

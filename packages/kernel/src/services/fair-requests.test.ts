import type { FunctionName, TenantId } from '@llmos/base';
import { errorBody, silentLogger } from '@llmos/base';
import type {
  Answering,
  AskedTask,
  ForeignRequest,
  RequestLink,
  RequestOutcome,
} from '../ports/request-link';
import { collectGarbage, manualClock, termsOf } from '@llmos/base/testing';
import type { FairRequestsLimits } from './fair-requests';
import { FairRequests } from './fair-requests';
import { makeRequest, resultOf } from './request-fixture';

const LIMITS = {
  requestsPerTurn: 2,
  requestsPastLine: 1,
  longLine: 100,
  slowPerTurn: 1,
  maxBurstRequests: 50,
  maxFloodRequests: 50,
  floodAfterMs: 0,
  burstPauseFactor: 2,
  floodPauseFactor: 4,
  maxLinePauseMs: 1_000,
  contestedAfterMs: 1_000,
  maxWaitingRequests: 6,
  maxWaitingRequestsPerTenant: 4,
  maxWaitingRequestBytes: 1_000,
  maxTenantRequestBytes: 1_000,
  retryAfterMs: 100,
};

/** What a service answers to a wrong request. */
const WRONG: RequestOutcome = {
  kind: 'refused',
  error: errorBody('INVALID_ARGUMENT', 'wrong'),
  format: 'json',
};
const LATE: RequestOutcome = { ...WRONG, error: errorBody('UNAVAILABLE', 'late') };

function setUp(limits: Partial<FairRequestsLimits> = {}) {
  const turns: (() => void)[] = [];
  const timers: { readonly go: () => void; readonly atMs: number }[] = [];
  const clock = manualClock();
  const handled: string[] = [];
  const answers: unknown[] = [];
  const bodies: WeakRef<Uint8Array>[] = [];
  const answerings: Answering[] = [];
  let deliver: (request: ForeignRequest<AskedTask>) => void = () => undefined;
  let isStopped = false;
  const inner: RequestLink = {
    maxAnswerBytes: () => 7,
    serve: (_kind, handle) => {
      deliver = handle as typeof deliver;
      return {
        stop: () => {
          isStopped = true;
          return Promise.resolve();
        },
      };
    },
    heard: () => Promise.resolve(),
    finish: () => Promise.resolve(),
    refuseRest: () => undefined,
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
  const served = requests.serve('call', (request) => {
    const reading = request.read();
    if (reading.kind === 'invalid') throw new Error(reading.error.message);
    const { principal, function: name, body } = reading.asked;
    bodies.push(new WeakRef(body));
    answerings.push(request.answering());
    if ((name as string) === 'broken') throw new Error('a bug');
    if ((name as string) === 'wrong') request.answer(WRONG);
    if ((name as string) === 'late') request.answer(LATE);
    clock.advance((name as string) === 'slow' ? 60 : 0.5);
    handled.push(`${principal.tenant}-${body.length}`);
  });
  const answer = (outcome: RequestOutcome): void => {
    if (outcome !== WRONG && outcome !== LATE) answers.push(resultOf(outcome));
  };
  const send = (tenant: string, bytes: number, name = 'echo'): void => {
    const asked: AskedTask = {
      principal: { tenant: tenant as TenantId, isOperator: false },
      function: name as FunctionName,
      terms: termsOf(),
      body: new Uint8Array(bytes),
    };
    deliver(makeRequest({ owner: tenant, bytes, read: () => ({ kind: 'read', asked }), answer }));
  };
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
  const kept = { bodies, answerings };
  return {
    requests,
    served,
    send,
    turn,
    turns,
    advance,
    handled,
    answers,
    ...kept,
    isStopped: stopped,
  };
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

it('handles what waits when it is stopped, turn by turn, before it has finished', async () => {
  const { requests, served, send, turn, handled, isStopped } = setUp();
  for (let n = 1; n <= 5; n += 1) send('acme', n);
  await served.stop();
  expect(isStopped()).toBe(true);
  const steps: string[] = [];
  const finished = requests.finish().then(() => steps.push('finished'));
  turn();
  expect(handled).toHaveLength(4);
  await Promise.resolve();
  expect(steps).toEqual([]);
  turn();
  await finished;
  expect(handled).toHaveLength(5);
  await requests.finish();
});

it('refuses what waits and what comes, once there is no time for it any more', async () => {
  const { requests, send, handled, answers } = setUp();
  for (let n = 1; n <= 5; n += 1) send('acme', n);
  const finished = requests.finish();
  requests.refuseRest();
  await finished;
  send('zenith', 1);
  expect(handled).toHaveLength(2);
  const refused = { ok: false, error: { code: 'UNAVAILABLE', retryable: true } };
  expect(answers).toMatchObject([refused, refused, refused, refused]);
});

it('makes no pauses once it is to finish, not even for a flood', async () => {
  const { requests, send, turn, advance, handled } = setUp({ ...NO_LONG_LINE, longLine: 3 });
  send('zenith', 1);
  sendWrong(send, 8);
  turn();
  advance(1_000);
  for (let n = 0; n < 4; n += 1) sendWrong(send, 1);
  const finished = requests.finish();
  advance(1_000);
  for (let n = 0; n < 5; n += 1) turn();
  await finished;
  expect(handled.length).toBeGreaterThan(9);
});

it('answers a request that fails by a mistake of its own, and goes on', () => {
  const { send, turn, handled, answers } = setUp();
  send('acme', 1);
  send('acme', 2);
  send('acme', 3, 'broken');
  send('acme', 4);
  turn();
  expect(handled).toEqual(['acme-1', 'acme-2', 'acme-4']);
  expect(answers).toMatchObject([{ ok: false, error: { code: 'INTERNAL' } }]);
});

it('lets one tenant have so many bytes in line while several ask, and always one request', () => {
  const { send, answers } = setUp({ ...FLOOD, maxTenantRequestBytes: 100 });
  sendMany(send, 3);
  send('acme', 101);
  send('acme', 101);
  expect(answers).toHaveLength(0);
  send('zenith', 1);
  send('acme', 1);
  expect(answers).toHaveLength(1);
  send('globex', 101);
  send('globex', 1);
  expect(answers).toHaveLength(1 + 1);
});

const FLOOD = { longLine: 3, requestsPerTurn: 3, maxWaitingRequestsPerTenant: 100 };

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
  const limits = { ...FLOOD, maxWaitingRequests: 100, maxBurstRequests: 4 };
  const { send, answers } = setUp(limits);
  sendMany(send, 10);
  expect(answers).toHaveLength(0);
  send('zenith', 1);
  send('acme', 11);
  expect(answers).toMatchObject([{ error: { code: 'RESOURCE_EXHAUSTED' } }]);
});

it('pauses a line for a bounded time, however long the machine stood still meanwhile', () => {
  const { send, turn, advance, handled } = setUp({ ...FLOOD, maxLinePauseMs: 10 });
  send('zenith', 1);
  for (let n = 1; n <= 6; n += 1) send('acme', n, n === 3 ? 'slow' : 'echo');
  turn();
  expect(handled).toHaveLength(4);
  advance(9);
  turn();
  expect(handled).toHaveLength(4);
  advance(1);
  turn();
  expect(handled.length).toBeGreaterThan(4);
});

type Send = ReturnType<typeof setUp>['send'];

function sendWrong(send: Send, count: number): void {
  for (let n = 1; n <= count; n += 1) send('acme', n, 'wrong');
}

const NO_LONG_LINE = { ...FLOOD, longLine: 10, maxWaitingRequests: 100, maxBurstRequests: 5 };

it('lets a flood have few in line until all was handled, and slows that line, too', () => {
  const limits = { ...NO_LONG_LINE, longLine: 4, maxFloodRequests: 2 };
  const { send, turn, advance, answers, handled } = setUp(limits);
  const handleOne = (): void => {
    const before = handled.length;
    for (let n = 0; n < 20 && handled.length === before; n += 1) {
      turn();
      advance(1);
    }
    expect(handled).toHaveLength(before + 1);
  };
  send('zenith', 1);
  // Two at once, five in line, one too many.
  sendWrong(send, 8);
  expect(answers).toHaveLength(1);
  handleOne();
  // One more in line, and one too many again: now it is one.
  sendWrong(send, 2);
  sendWrong(send, 1);
  expect(answers).toHaveLength(3);
  for (let n = 0; n < 4; n += 1) handleOne();
  send('zenith', 2);
  sendWrong(send, 1);
  expect(answers).toHaveLength(3);
  sendWrong(send, 1);
  expect(answers).toHaveLength(4);
  // A line of two is not long, and is handled one by one all the same.
  handleOne();
  handleOne();
  turn();
  advance(1_000);
  send('zenith', 3);
  sendWrong(send, 8);
  expect(answers).toHaveLength(5);
});

it('keeps the order of a tenant that becomes a flood, and slows no burst of another one', () => {
  const { send, turn, advance, handled } = setUp(NO_LONG_LINE);
  send('zenith', 1);
  sendWrong(send, 8);
  turn();
  // 6 and 7 wait, and of these the first three.
  for (let n = 9; n <= 12; n += 1) send('acme', n, 'wrong');
  turn();
  const ofFlood = (): string[] => handled.filter((each) => each.startsWith('acme'));
  expect(ofFlood()).toHaveLength(6);
  // Its pause of 0.5 ms times four has begun; that of others has none.
  for (let n = 2; n <= 4; n += 1) send('zenith', n);
  turn();
  expect(handled.slice(-3)).toEqual(['zenith-2', 'zenith-3', 'zenith-4']);
  advance(0.4);
  turn();
  expect(ofFlood()).toHaveLength(6);
  advance(0.2);
  turn();
  expect(ofFlood()).toHaveLength(7);
  for (let n = 0; n < 40; n += 1) {
    turn();
    advance(2);
  }
  expect(ofFlood()).toEqual([1, 2, 3, 4, 5, 6, 7, 9, 10, 11].map((n) => `acme-${n}`));
});

describe('sending more than may wait', () => {
  /** How many of two bursts, and of what goes on for 60 and 120 ms, are handled in a turn. */
  function handledOf(names: readonly [string, string, string]): readonly number[] {
    const { send, turn, advance, handled } = setUp({ ...NO_LONG_LINE, floodAfterMs: 100 });
    const sendNine = (): void => {
      for (let n = 1; n <= 9; n += 1) send('acme', n, names[n % 3]);
    };
    const handledInTurn = (): number => {
      const before = handled.length;
      turn();
      return handled.length - before;
    };
    send('zenith', 1);
    sendNine();
    const first = handledInTurn();
    turn();
    advance(200);
    // Nothing waited between them.
    send('zenith', 1);
    sendNine();
    const counts = [first, handledInTurn()];
    for (let n = 0; n < 2; n += 1) {
      advance(60);
      sendNine();
      counts.push(handledInTurn());
    }
    return counts;
  }

  it('for long makes a flood, and none where nothing waited for a moment', () => {
    expect(handledOf(['wrong', 'wrong', 'wrong'])).toEqual([3, 3, 3, 1]);
  });

  it('is no flood any more after as long with what is right, though its line was never empty', () => {
    const limits = { ...NO_LONG_LINE, maxFloodRequests: 2, floodAfterMs: 100 };
    const { send, turn, advance, handled } = setUp(limits);
    const handledInTurnAfter = (name: string): number => {
      for (let n = 1; n <= 9; n += 1) send('acme', n, name);
      const before = handled.length;
      turn();
      advance(60);
      return handled.length - before;
    };
    send('zenith', 1);
    const asWrong = Array.from({ length: 4 }, () => handledInTurnAfter('wrong'));
    expect(asWrong.at(-1)).toBe(1);
    const counts = Array.from({ length: 20 }, () => {
      send('zenith', 1);
      return handledInTurnAfter('echo');
    });
    expect(counts.at(-1)).toBeGreaterThan(1);
  });

  it('is no flood any more where it keeps within its line, with what is right', () => {
    const limits = { ...NO_LONG_LINE, maxFloodRequests: 2, floodAfterMs: 100 };
    const { send, turn, advance, answers } = setUp(limits);
    send('zenith', 1);
    for (let n = 0; n < 4; n += 1) {
      for (let each = 1; each <= 9; each += 1) send('acme', each, 'wrong');
      turn();
      advance(60);
    }
    for (let n = 0; n < 20; n += 1) {
      send('zenith', 1);
      send('acme', n);
      turn();
      advance(60);
    }
    send('zenith', 1);
    const before = answers.length;
    for (let each = 1; each <= 3; each += 1) send('acme', each);
    expect(answers).toHaveLength(before);
  });

  it('leaves nothing of a request with whoever answers it later', async () => {
    const { send, turn, advance, bodies, answerings } = setUp(NO_LONG_LINE);
    send('zenith', 1);
    sendWrong(send, 8);
    for (let n = 0; n < 40; n += 1) {
      turn();
      advance(2);
    }
    await collectGarbage();
    expect(answerings).toHaveLength(bodies.length);
    expect(bodies.filter((body) => body.deref() !== undefined)).toEqual([]);
  });

  it('makes none of a tenant whose requests are right, or most of them', () => {
    expect(handledOf(['echo', 'echo', 'echo'])).toEqual([3, 3, 3, 3]);
    expect(handledOf(['wrong', 'echo', 'echo'])).toEqual([3, 3, 3, 3]);
    expect(handledOf(['late', 'late', 'late'])).toEqual([3, 3, 3, 3]);
  });
});

it('counts the bytes of both lines, and handles both before it has finished', async () => {
  const limits = { ...NO_LONG_LINE, maxWaitingRequestBytes: 30 };
  const { requests, send, turn, advance, answers, handled } = setUp(limits);
  send('zenith', 1);
  sendWrong(send, 8);
  turn();
  // 6 and 7 wait, and three of these four: a flood with 16 bytes.
  for (let n = 0; n < 4; n += 1) sendWrong(send, 1);
  expect(answers).toHaveLength(2);
  send('globex', 1);
  send('globex', 15);
  expect(answers).toHaveLength(3);
  send('globex', 14);
  const finished = requests.finish();
  for (let n = 0; n < 5; n += 1) {
    turn();
    advance(1_000);
  }
  await finished;
  expect(answers).toHaveLength(3);
  expect(handled).toHaveLength(1 + 5 + 2 + 5);
});

it('takes nobody for a flood who asks alone, whatever was too much of it', () => {
  const { send, turn, answers, handled } = setUp({
    ...NO_LONG_LINE,
    maxWaitingRequestsPerTenant: 4,
  });
  sendWrong(send, 10);
  turn();
  expect(handled).toHaveLength(6);
  sendWrong(send, 5);
  expect(answers).toHaveLength(3 + 2);
  send('zenith', 1);
  turn();
  expect(handled).toHaveLength(6 + 1 + 3);
});

it('takes nobody for a flood whom the lines of others keep out', () => {
  const { send, turn, answers, handled } = setUp({ maxWaitingRequests: 3 });
  sendMany(send, 5);
  send('zenith', 1);
  send('zenith', 2);
  expect(answers).toHaveLength(2);
  for (let n = 0; n < 3; n += 1) turn();
  expect(handled).toHaveLength(5);
});

import { decodeJson, silentLogger } from '@llmos/base';
import { API_ERRORS, NatsError } from '@llmos/wire';
import type { Msg, NatsConnection } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { LastTasks } from '../../intake/intake-pace';
import { IntakePull } from './intake-pull';

const { pullBatch, pullBytes, intakeCheckMs, takeoverRetryMs, pullHeartbeatMs } = EDGE_LIMITS;

interface Request {
  readonly expires: number;
  readonly idle_heartbeat: number;
  readonly max_bytes: number;
}

/** A consumer whose deliveries the test makes, on whatever inboxes are open. */
function setUp({ pauseMs = 0, maxPayloadBytes = 0 } = {}) {
  const inboxes: { callback: (error: null, msg: Msg) => void; isOpen: boolean }[] = [];
  const pulls: string[] = [];
  const requests: Request[] = [];
  const connection = {
    info: { max_payload: maxPayloadBytes },
    subscribe: (_subject: string, options: { callback: (error: null, msg: Msg) => void }) => {
      const inbox = { callback: options.callback, isOpen: true };
      inboxes.push(inbox);
      return { unsubscribe: () => void (inbox.isOpen = false) };
    },
    publish: (subject: string, body: Uint8Array) => {
      pulls.push(subject);
      requests.push(decodeJson(body) as Request);
    },
  } as unknown as NatsConnection;
  const world = {
    isOpen: true,
    isNew: true,
    lastDelivery: (): Promise<number> => new Promise(() => undefined),
  };
  const taken: number[] = [];
  /** What the pace was asked about. */
  const paced: LastTasks[] = [];
  const remakes: { done: () => void; fail: () => void }[] = [];
  const pull = new IntakePull({
    connection,
    consumer: 'intake-1-batch',
    log: silentLogger,
    isOpen: () => world.isOpen,
    pace: {
      batch: () => pullBatch,
      pauseMs: (last) => {
        paced.push(last);
        return pauseMs;
      },
    },
    onMessage: (_msg, { sequence }) => {
      taken.push(sequence);
      return world.isNew;
    },
    lastDelivery: () => world.lastDelivery(),
    remake: () =>
      new Promise((resolve, reject) => {
        remakes.push({ done: resolve, fail: () => reject(new Error('away')) });
      }),
  });
  const deliver = (sequence: number, number: number): void => {
    const reply = `$JS.ACK.LLMOS_TASKS.intake-1-batch.1.${sequence}.${number}.1700000000000000000.0`;
    const msg = { reply, data: new Uint8Array(1) } as Msg;
    inboxes.find(({ isOpen }) => isOpen)?.callback(null, msg);
  };
  /** All that one pull asks for, from this delivery on. */
  const deliverBatch = (first = 1): void => {
    for (let number = first; number < first + pullBatch; number += 1) deliver(number, number);
  };
  /** A word of the server on each inbox of these. */
  const tell = (code: number, to = inboxes.filter(({ isOpen }) => isOpen)): void => {
    const msg = { reply: '', data: new Uint8Array(0), headers: { code } } as unknown as Msg;
    for (const { callback } of to) callback(null, msg);
  };
  return {
    pull,
    world,
    inboxes,
    taken,
    paced,
    remakes,
    pulls,
    requests,
    deliver,
    deliverBatch,
    tell,
  };
}

it('hands on what comes in the order of its deliveries', () => {
  const { pull, taken, remakes, deliver } = setUp();
  deliver(10, 1);
  deliver(12, 2);
  expect(taken).toEqual([10, 12]);
  expect(remakes).toEqual([]);
  pull.end();
});

it('asks for more only in the next turn of the event loop, which others have before', async () => {
  const { pull, pulls, deliverBatch } = setUp();
  pull.pump();
  expect(pulls).toHaveLength(2);
  deliverBatch();
  pull.pump();
  expect(pulls).toHaveLength(2);
  await new Promise(setImmediate);
  expect(pulls).toHaveLength(3);
  pull.end();
});

it('takes nothing behind a delivery that is missing, and has all of it delivered again', async () => {
  const { pull, taken, remakes, pulls, deliver } = setUp();
  deliver(10, 1);
  deliver(13, 4);
  deliver(14, 5);
  expect(taken).toEqual([10]);
  expect(remakes).toHaveLength(1);
  const before = pulls.length;
  remakes[0]?.done();
  await new Promise(setImmediate);
  expect(pulls.length - before).toBe(2);
  for (const [index, sequence] of [10, 11, 12, 13].entries()) deliver(sequence, index + 1);
  expect(taken).toEqual([10, 10, 11, 12, 13]);
  pull.end();
});

it('goes on where the server has forgotten its last deliveries', () => {
  const { pull, taken, remakes, deliver } = setUp();
  for (const number of [1, 2, 3]) deliver(10 + number, number);
  deliver(12, 2);
  deliver(13, 3);
  deliver(14, 4);
  expect(taken).toEqual([11, 12, 13, 12, 13, 14]);
  expect(remakes).toEqual([]);
  pull.end();
});

it('asks for nothing while it is closed, and for messages as large as the server takes', () => {
  const { pull, world, pulls, requests } = setUp({ maxPayloadBytes: pullBytes });
  world.isOpen = false;
  pull.pump();
  expect(pulls).toEqual([]);
  world.isOpen = true;
  pull.pump();
  expect(requests.map((request) => request.max_bytes)).toEqual([2 * pullBytes, 2 * pullBytes]);
  pull.end();
});

it('asks again after a reconnect, whatever was asked for', () => {
  const { pull, pulls, deliver } = setUp();
  pull.pump();
  deliver(1, 1);
  pull.restart({ hasForgotten: false });
  expect(pulls).toHaveLength(4);
  pull.end();
});

it('tells the pace how far it came, and whether most of what came was new', async () => {
  const { pull, world, paced, deliver } = setUp();
  const come = async (first: number, newCount: number): Promise<void> => {
    for (let index = 0; index < pullBatch; index += 1) {
      world.isNew = index < newCount;
      deliver(1_000 + first + index, first + index);
    }
    await new Promise(setImmediate);
  };
  pull.pump();
  await come(1, pullBatch / 2 + 1);
  await come(1 + pullBatch, pullBatch / 2);
  await come(1 + 2 * pullBatch, pullBatch / 2 + 1);
  expect(paced).toEqual([
    { sequence: 1_000 + pullBatch, areNew: true },
    { sequence: 1_000 + 2 * pullBatch, areNew: false },
    { sequence: 1_000 + 3 * pullBatch, areNew: true },
  ]);
  pull.end();
});

describe('a consumer that is made anew', () => {
  it('is made once, however often something is found to be missing', async () => {
    const { pull, remakes } = setUp();
    pull.restart({ hasForgotten: true });
    pull.restart({ hasForgotten: true });
    expect(remakes).toHaveLength(1);
    remakes[0]?.done();
    await new Promise(setImmediate);
    pull.restart({ hasForgotten: true });
    expect(remakes).toHaveLength(2);
    pull.end();
  });

  it('counts its deliveries from the first: one that is missing then is noticed as well', async () => {
    const { pull, taken, remakes, deliver } = setUp();
    for (const number of [1, 2, 3]) deliver(number, number);
    pull.restart({ hasForgotten: true });
    remakes[0]?.done();
    await new Promise(setImmediate);
    deliver(2, 2);
    expect(taken).toEqual([1, 2, 3]);
    expect(remakes).toHaveLength(2);
    pull.end();
  });
});

describe('in the course of time', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('asks for more when the pace says, and no sooner because somebody else asks', () => {
    const { pull, pulls, deliverBatch } = setUp({ pauseMs: 20 });
    pull.pump();
    deliverBatch();
    jest.advanceTimersByTime(19);
    pull.pump();
    expect(pulls).toHaveLength(2);
    jest.advanceTimersByTime(1);
    expect(pulls).toHaveLength(3);
    deliverBatch(1 + pullBatch);
    jest.advanceTimersByTime(20);
    expect(pulls).toHaveLength(4);
    pull.end();
  });

  it('asks the pace after what came in full, and once', () => {
    const { pull, pulls, paced, deliver, tell } = setUp({ pauseMs: 20 });
    pull.pump();
    for (let number = 1; number < pullBatch; number += 1) deliver(number, number);
    jest.advanceTimersByTime(20);
    expect(paced).toEqual([]);
    deliver(pullBatch, pullBatch);
    // Both ask from now on, one of them because its time was over.
    tell(408);
    tell(408);
    expect(paced).toHaveLength(2);
    jest.advanceTimersByTime(20);
    expect(pulls).toHaveLength(4);
    pull.end();
  });

  it('asks for nothing and takes nothing once it has ended, whatever was due', () => {
    const { pull, pulls, inboxes, taken, paced, remakes, deliverBatch, tell } = setUp({
      pauseMs: 20,
    });
    pull.pump();
    deliverBatch();
    pull.end();
    expect(jest.getTimerCount()).toBe(0);
    for (const inbox of inboxes) inbox.isOpen = true;
    const before = taken.length;
    deliverBatch(1 + pullBatch);
    tell(404);
    pull.pump();
    pull.restart({ hasForgotten: true });
    jest.advanceTimersByTime(10 * pullHeartbeatMs);
    expect({ taken: taken.length, pulls: pulls.length, paced: paced.length }).toEqual({
      taken: before,
      pulls: 2,
      paced: 1,
    });
    expect(remakes).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('asks at once after a pull that was full by bytes, and slowly where the server refuses it', () => {
    const { pull, inboxes, pulls, deliver, tell } = setUp();
    pull.pump();
    deliver(1, 1);
    tell(409, inboxes.slice(0, 1));
    jest.advanceTimersByTime(1);
    expect(pulls).toHaveLength(3);
    tell(409, inboxes.slice(0, 1));
    jest.advanceTimersByTime(5 * takeoverRetryMs - 1);
    expect(pulls).toHaveLength(3);
    jest.advanceTimersByTime(1);
    expect(pulls).toHaveLength(4);
    pull.end();
  });

  it('makes the consumer anew a while later where that failed, and then asks', async () => {
    const { pull, remakes, pulls } = setUp();
    pull.restart({ hasForgotten: true });
    remakes[0]?.fail();
    await jest.advanceTimersByTimeAsync(intakeCheckMs - 1);
    expect(remakes).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(remakes).toHaveLength(2);
    remakes[1]?.done();
    await jest.advanceTimersByTimeAsync(0);
    expect(pulls).toHaveLength(2);
    pull.end();
  });
});

describe('at the end of a pull, and after a reconnect', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('has nothing delivered again where everything came', async () => {
    const { pull, world, remakes, deliver, tell } = setUp();
    let asked = 0;
    world.lastDelivery = () => {
      asked += 1;
      return Promise.resolve(2);
    };
    pull.pump();
    deliver(1, 1);
    deliver(2, 2);
    tell(408);
    await jest.advanceTimersByTimeAsync(intakeCheckMs);
    expect(asked).toBe(1);
    pull.restart({ hasForgotten: false });
    await jest.advanceTimersByTimeAsync(intakeCheckMs);
    expect(asked).toBe(2);
    expect(remakes).toEqual([]);
    pull.end();
  });

  it.each(['an end', 'a reconnect'])('finds what was lost on its way, by %s', async (by) => {
    const { pull, world, remakes, deliver, tell } = setUp();
    world.lastDelivery = () => Promise.resolve(2);
    pull.pump();
    deliver(1, 1);
    if (by === 'an end') tell(408);
    else pull.restart({ hasForgotten: false });
    await jest.advanceTimersByTimeAsync(intakeCheckMs - 1);
    expect(remakes).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(remakes).toHaveLength(1);
    pull.end();
  });

  it('leaves nothing due behind where it ends meanwhile', async () => {
    const { pull, world, tell } = setUp();
    world.lastDelivery = () => Promise.resolve(2);
    pull.pump();
    tell(408);
    await jest.advanceTimersByTimeAsync(1);
    pull.end();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('leaves what comes meanwhile its time', async () => {
    const { pull, world, remakes, deliver, tell } = setUp();
    world.lastDelivery = () => Promise.resolve(2);
    pull.pump();
    deliver(1, 1);
    tell(408);
    await jest.advanceTimersByTimeAsync(intakeCheckMs - 1);
    deliver(2, 2);
    await jest.advanceTimersByTimeAsync(intakeCheckMs);
    expect(remakes).toEqual([]);
    pull.end();
  });

  it('judges by nothing that it read before the server answered once more', async () => {
    const { pull, world, remakes, deliver, tell } = setUp();
    const answers = [Promise.resolve(2), Promise.reject(new Error('away')), Promise.resolve(2)];
    world.lastDelivery = () => answers.shift() ?? Promise.reject(new Error('away'));
    pull.pump();
    deliver(1, 1);
    tell(408);
    await jest.advanceTimersByTimeAsync(intakeCheckMs);
    deliver(2, 2);
    await jest.advanceTimersByTimeAsync(5 * intakeCheckMs);
    expect(remakes).toEqual([]);
    pull.end();
  });

  it('makes a consumer anew that is gone', async () => {
    const { pull, world, remakes, tell } = setUp();
    const { consumerNotFound: err_code } = API_ERRORS;
    const gone = new NatsError('gone', '404', undefined);
    gone.api_error = { code: 404, err_code, description: 'consumer not found' };
    world.lastDelivery = () => Promise.reject(gone);
    pull.pump();
    tell(409);
    await jest.advanceTimersByTimeAsync(intakeCheckMs - 1);
    expect(remakes).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(remakes).toHaveLength(1);
    pull.end();
  });
});

describe('a server that says nothing', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('is asked again long before the pull would end by itself', () => {
    const { pull, inboxes, pulls, requests, deliver, tell } = setUp();
    pull.pump();
    expect(pulls).toHaveLength(2);
    expect(requests[0]?.idle_heartbeat).toBe(pullHeartbeatMs * 1e6);
    for (let beats = 0; beats < 10; beats += 1) {
      jest.advanceTimersByTime(pullHeartbeatMs);
      tell(100);
    }
    for (let number = 1; number <= 10; number += 1) {
      jest.advanceTimersByTime(pullHeartbeatMs);
      // A message is a word as well.
      deliver(number, number);
      tell(100, inboxes.slice(1));
    }
    expect(pulls).toHaveLength(2);
    jest.advanceTimersByTime(4 * pullHeartbeatMs);
    expect(pulls).toHaveLength(4);
    expect(15 * pullHeartbeatMs).toBeLessThan(EDGE_LIMITS.pullExpiresMs);
    pull.end();
  });
});

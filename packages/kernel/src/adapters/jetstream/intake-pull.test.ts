import { decodeJson, silentLogger } from '@llmos/base';
import type { Msg, NatsConnection } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import { IntakePull } from './intake-pull';

/** A consumer whose deliveries the test makes, on whatever inboxes are open. */
function setUp({ pauseMs = 0 } = {}) {
  const inboxes: { callback: (error: null, msg: Msg) => void; isOpen: boolean }[] = [];
  const pulls: string[] = [];
  const requests: { readonly expires: number; readonly idle_heartbeat: number }[] = [];
  const connection = {
    subscribe: (_subject: string, options: { callback: (error: null, msg: Msg) => void }) => {
      const inbox = { callback: options.callback, isOpen: true };
      inboxes.push(inbox);
      return { unsubscribe: () => void (inbox.isOpen = false) };
    },
    publish: (subject: string, body: Uint8Array) => {
      pulls.push(subject);
      requests.push(decodeJson(body) as { expires: number; idle_heartbeat: number });
    },
  } as unknown as NatsConnection;
  const taken: number[] = [];
  const remakes: (() => void)[] = [];
  const pull = new IntakePull({
    connection,
    consumer: 'intake-1-batch',
    log: silentLogger,
    isOpen: () => true,
    pace: { batch: () => EDGE_LIMITS.pullBatch, pauseMs: () => pauseMs },
    onMessage: (_msg, { sequence }) => taken.push(sequence) > 0,
    lastDelivery: () => new Promise(() => undefined),
    remake: () => new Promise((resolve) => remakes.push(resolve)),
  });
  const deliver = (sequence: number, number: number): void => {
    const reply = `$JS.ACK.LLMOS_TASKS.intake-1-batch.1.${sequence}.${number}.1700000000000000000.0`;
    const msg = { reply, data: new Uint8Array(1) } as Msg;
    inboxes.find(({ isOpen }) => isOpen)?.callback(null, msg);
  };
  /** A word of the server on each open inbox that the pull is still known. */
  const beat = (): void => {
    const msg = { reply: '', data: new Uint8Array(0), headers: { code: 100 } } as unknown as Msg;
    for (const { callback, isOpen } of inboxes) if (isOpen) callback(null, msg);
  };
  return { pull, taken, remakes, pulls, requests, deliver, beat };
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
  const { pull, pulls, deliver } = setUp();
  pull.pump();
  expect(pulls).toHaveLength(2);
  for (let number = 1; number <= EDGE_LIMITS.pullBatch; number += 1) deliver(number, number);
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
  remakes[0]?.();
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

describe('a server that says nothing', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('is asked again long before the pull would end by itself', () => {
    const { pull, pulls, requests, beat } = setUp();
    pull.pump();
    expect(pulls).toHaveLength(2);
    const heartbeatMs = EDGE_LIMITS.pullHeartbeatMs;
    expect(requests[0]?.idle_heartbeat).toBe(heartbeatMs * 1e6);
    for (let beats = 0; beats < 10; beats += 1) {
      jest.advanceTimersByTime(heartbeatMs);
      beat();
    }
    expect(pulls).toHaveLength(2);
    jest.advanceTimersByTime(4 * heartbeatMs);
    expect(pulls).toHaveLength(4);
    expect(15 * heartbeatMs).toBeLessThan(EDGE_LIMITS.pullExpiresMs);
    pull.end();
  });
});

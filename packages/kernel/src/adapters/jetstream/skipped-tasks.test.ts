import type { TaskClass } from '@llmos/base';
import { silentLogger } from '@llmos/base';
import { API_ERRORS, NatsError } from '@llmos/wire';
import type { JetStreamManager, StoredMsg } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import { SkippedTasks } from './skipped-tasks';

const { skippedLookMs, strayLookMs, maxStrayReads } = EDGE_LIMITS;

/** A stream of tasks of two classes: of `batch` the consumer has passed the first ones. */
function setUp() {
  const stored = new Set<number>();
  const delivered = new Set<number>();
  const held = new Set<number>();
  const world = {
    lastPassed: 0,
    inLine: 0,
    /** How far the consumer of `interactive` has got; all of its tasks have ended. */
    lastInteractive: 0,
    isOpen: true,
    seenTo: 0,
    isAway: false,
    reads: 0,
    looks: 0,
    asked: 0,
    /** While the consumers are read; while a message is. */
    onConsumers: () => undefined as void,
    onRead: () => undefined as void,
  };
  const streamInfo = () => {
    world.looks += 0.5;
    if (world.isAway) return Promise.reject(new Error('away'));
    const state = {
      messages: stored.size,
      first_seq: Math.min(...stored),
      last_seq: Math.max(0, ...stored),
    };
    return Promise.resolve({ state });
  };
  const getMessage = (_stream: string, { seq, ...by }: { seq: number; next_by_subj?: string }) => {
    world.reads += 1;
    let found = seq;
    if (by.next_by_subj !== undefined) while (!stored.has(found) && found < 1e6) found += 1;
    if (!stored.has(found)) return Promise.reject(noMessage());
    const subject = `llmos.v1.task.batch.acme.${odd.has(found) ? '>' : 'echo'}`;
    world.onRead();
    return Promise.resolve({ seq: found, subject } as StoredMsg);
  };
  const consumerInfo = (_stream: string, consumer: string) => {
    if (consumer === 'batch') world.onConsumers();
    const none = { num_ack_pending: 0, num_pending: 0 };
    return Promise.resolve(
      consumer === 'batch'
        ? {
            num_ack_pending: delivered.size,
            num_pending: world.inLine,
            delivered: { stream_seq: world.lastPassed },
          }
        : {
            ...none,
            delivered: { stream_seq: consumer === 'interactive' ? world.lastInteractive : 0 },
          },
    );
  };
  const manager = {
    streams: { info: streamInfo, getMessage },
    consumers: { info: consumerInfo },
  } as unknown as JetStreamManager;
  const taken: number[] = [];
  /** Sequences of messages with `>` in their subjects, and those that were handed on. */
  const odd = new Set<number>();
  const strays: number[] = [];
  const skipped = new SkippedTasks({
    manager,
    log: silentLogger,
    consumerOf: (taskClass: TaskClass) => taskClass,
    isHeld: (sequence) => {
      world.asked += 1;
      return held.has(sequence);
    },
    isOpen: () => world.isOpen,
    onOther: ({ seq }) => {
      strays.push(seq);
      return true;
    },
    seenTo: () => world.seenTo,
    onSkipped: (of?: StoredMsg) => {
      const seq = of?.seq ?? NaN;
      held.add(seq);
      taken.push(seq);
    },
  });
  const deliver = (first: number, last: number): void => {
    for (let sequence = first; sequence <= last; sequence += 1) {
      for (const set of [stored, delivered, held]) set.add(sequence);
    }
    world.lastPassed = last;
  };
  /** Its task ends, and its delivery is acknowledged. */
  const end = (sequence: number): void => {
    for (const set of [stored, delivered, held]) set.delete(sequence);
  };
  /** So many looks, the first ones soon after each other. */
  const look = (count = 1): Promise<void> => jest.advanceTimersByTimeAsync(count * skippedLookMs);
  return { stored, delivered, held, world, taken, odd, strays, skipped, deliver, end, look };
}

function noMessage(): NatsError {
  const error = new NatsError('none', '404', undefined);
  const { noMessageFound: err_code } = API_ERRORS;
  error.api_error = { code: 404, err_code, description: 'no message found' };
  return error;
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

it('takes in what its consumer has passed, once, and reads nothing that is held or in line', async () => {
  const { stored, world, taken, skipped, deliver } = setUp();
  deliver(1, 40_000);
  stored.add(40_001);
  deliver(40_002, 50_000);
  for (let sequence = 50_001; sequence <= 90_000; sequence += 1) stored.add(sequence);
  world.inLine = 40_000;
  skipped.begin();
  await jest.advanceTimersByTimeAsync(10 * skippedLookMs);
  skipped.end();
  expect(taken).toEqual([40_001]);
  expect(world.reads).toBeLessThan(10);
});

it('hands on what is of no class, until it has left, and finds what is passed over later', async () => {
  const { stored, world, taken, odd, strays, skipped, deliver, look } = setUp();
  deliver(1, 3);
  stored.add(4);
  odd.add(4);
  deliver(5, 8);
  skipped.begin();
  await look(2);
  expect([strays.length > 1, new Set(strays), taken]).toEqual([true, new Set([4]), []]);
  // It leaves at the moment at which the server passes over another one.
  stored.delete(4);
  stored.add(9);
  world.lastPassed = 9;
  await look(4);
  skipped.end();
  expect(taken).toEqual([9]);
});

it('walks nothing while nothing is missing', async () => {
  const { stored, world, skipped, deliver } = setUp();
  deliver(1, 10);
  for (let sequence = 11; sequence <= 5_000; sequence += 1) stored.add(sequence);
  world.inLine = 4_990;
  skipped.begin();
  await jest.advanceTimersByTimeAsync(5 * skippedLookMs);
  skipped.end();
  expect(world).toMatchObject({ reads: 0, asked: 0 });
});

it('leaves alone what was delivered by the second look', async () => {
  const { stored, delivered, held, taken, skipped, deliver } = setUp();
  deliver(1, 3);
  stored.add(4);
  skipped.begin();
  await jest.advanceTimersByTimeAsync(skippedLookMs);
  for (const set of [delivered, held]) set.add(4);
  await jest.advanceTimersByTimeAsync(5 * skippedLookMs);
  skipped.end();
  expect(taken).toEqual([]);
});

it('waits with it until tasks of its class may be taken in', async () => {
  const { stored, world, taken, skipped } = setUp();
  stored.add(7);
  world.isOpen = false;
  skipped.begin();
  await jest.advanceTimersByTimeAsync(5 * skippedLookMs);
  expect(taken).toEqual([]);
  expect(world.reads).toBe(1);
  world.isOpen = true;
  await jest.advanceTimersByTimeAsync(skippedLookMs);
  skipped.end();
  expect(taken).toEqual([7]);
});

it('reads so many at a look, and goes on at the next', async () => {
  const { stored, held, world, taken, skipped } = setUp();
  for (let index = 1; index <= 2 * maxStrayReads; index += 1) stored.add(2 * index);
  skipped.begin();
  await jest.advanceTimersByTimeAsync(skippedLookMs);
  expect(world.reads).toBe(maxStrayReads);
  await jest.advanceTimersByTimeAsync(4 * skippedLookMs);
  expect(taken).toHaveLength(2 * maxStrayReads);
  for (const sequence of stored) skipped.noteGone(sequence);
  stored.clear();
  held.clear();
  stored.add(5_001);
  await jest.advanceTimersByTimeAsync(strayLookMs + 2 * skippedLookMs);
  skipped.end();
  expect(taken.at(-1)).toBe(5_001);
});

it('walks nothing because of what is stored while it looks', async () => {
  const { stored, world, skipped, deliver, look } = setUp();
  deliver(1, 10);
  world.onConsumers = () => void stored.add(Math.max(...stored) + 1);
  skipped.begin();
  await look();
  skipped.end();
  expect(world).toMatchObject({ looks: 1, reads: 0, asked: 0 });
});

it('leaves alone what waits in line, though a more urgent class has passed it (P1)', async () => {
  const { stored, world, taken, skipped, deliver, look } = setUp();
  deliver(1, 3);
  stored.add(4);
  deliver(5, 6);
  for (let sequence = 7; sequence <= 12; sequence += 1) stored.add(sequence);
  world.inLine = 6;
  world.lastInteractive = 20;
  skipped.begin();
  await look(10);
  skipped.end();
  expect(taken).toEqual([4]);
});

it('finds what was skipped further down the line, once that was delivered', async () => {
  const { stored, world, taken, skipped, deliver, look } = setUp();
  deliver(1, 10);
  for (let sequence = 11; sequence <= 60; sequence += 1) stored.add(sequence);
  // All but one of them.
  world.inLine = 49;
  skipped.begin();
  await look(3);
  expect(taken).toEqual([]);
  deliver(11, 39);
  deliver(41, 60);
  world.inLine = 0;
  await look(3);
  skipped.end();
  expect(taken).toEqual([40]);
});

it('walks once where more is stored than it can find, and finds what is skipped later', async () => {
  const { stored, delivered, held, world, taken, skipped, deliver, end, look } = setUp();
  deliver(1, 10);
  // Held, and not delivered: taken in ahead, and its consumer has forgotten it.
  delivered.delete(3);
  skipped.begin();
  await look(2);
  const { asked } = world;
  await jest.advanceTimersByTimeAsync(2 * strayLookMs);
  expect(world).toMatchObject({ reads: 0, asked });
  end(3);
  await jest.advanceTimersByTimeAsync(strayLookMs);
  stored.add(11);
  await jest.advanceTimersByTimeAsync(strayLookMs + 2 * skippedLookMs);
  skipped.end();
  expect(taken).toEqual([11]);
  expect(held.has(11)).toBe(true);
});

it('takes in nothing that is gone, or whose class closes while it is read', async () => {
  const { stored, world, taken, skipped, deliver, look } = setUp();
  deliver(1, 3);
  for (const sequence of [4, 5]) stored.add(sequence);
  skipped.begin();
  await look();
  stored.delete(4);
  world.onRead = () => void (world.isOpen = false);
  await look();
  expect(taken).toEqual([]);
  world.onRead = () => undefined;
  world.isOpen = true;
  await look();
  skipped.end();
  expect(taken).toEqual([5]);
});

it('looks seldom once the lines are empty, and soon again after a look that failed', async () => {
  const { world, skipped, deliver, look } = setUp();
  deliver(1, 3);
  world.inLine = 1;
  skipped.begin();
  await look(3);
  expect(world.looks).toBe(3);
  world.isAway = true;
  await look();
  world.isAway = false;
  world.inLine = 0;
  const before = world.looks;
  await look();
  expect(world.looks).toBe(before + 1);
  await jest.advanceTimersByTimeAsync(strayLookMs - 1);
  expect(world.looks).toBe(before + 1);
  await jest.advanceTimersByTimeAsync(1);
  expect(world.looks).toBe(before + 2);
  skipped.end();
});

it('takes in nothing once it has ended, and looks no more', async () => {
  const { stored, world, taken, skipped, deliver, look } = setUp();
  deliver(1, 3);
  stored.add(4);
  skipped.begin();
  await look();
  world.onRead = () => skipped.end();
  await look();
  expect(taken).toEqual([]);
  const { looks } = world;
  await jest.advanceTimersByTimeAsync(2 * strayLookMs);
  expect(world.looks).toBe(looks);
  expect(jest.getTimerCount()).toBe(0);
  const other = setUp();
  other.skipped.begin();
  other.skipped.end();
  expect(jest.getTimerCount()).toBe(0);
});

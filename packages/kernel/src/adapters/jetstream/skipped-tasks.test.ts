import type { TaskClass } from '@llmos/base';
import { silentLogger } from '@llmos/base';
import type { JetStreamManager, StoredMsg } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import { SkippedTasks } from './skipped-tasks';

const { skippedLookMs, strayLookMs, maxStrayReads } = EDGE_LIMITS;

/** A stream of tasks of one class, of which its consumer has passed the first ones. */
function setUp() {
  const stored = new Set<number>();
  const delivered = new Set<number>();
  const held = new Set<number>();
  const world = { lastPassed: 0, inLine: 0, isOpen: true, reads: 0 };
  const info = {
    streams: {
      info: () => {
        const state = {
          messages: stored.size,
          first_seq: Math.min(...stored),
          last_seq: Math.max(0, ...stored),
        };
        return Promise.resolve({ state });
      },
      getMessage: (_stream: string, { seq, ...by }: { seq: number; next_by_subj?: string }) => {
        world.reads += 1;
        let found = seq;
        if (by.next_by_subj !== undefined) while (!stored.has(found) && found < 1e6) found += 1;
        const subject = 'llmos.v1.task.batch.acme.echo';
        return Promise.resolve({ seq: found, subject } as StoredMsg);
      },
    },
    consumers: {
      info: (_stream: string, consumer: string) =>
        Promise.resolve(
          consumer === 'batch'
            ? {
                num_ack_pending: delivered.size,
                num_pending: world.inLine,
                delivered: { stream_seq: world.lastPassed },
              }
            : { num_ack_pending: 0, num_pending: 0, delivered: { stream_seq: 0 } },
        ),
    },
  };
  const taken: number[] = [];
  const skipped = new SkippedTasks({
    manager: info as unknown as JetStreamManager,
    log: silentLogger,
    consumerOf: (taskClass: TaskClass) => taskClass,
    isHeld: (sequence) => held.has(sequence),
    isOpen: () => world.isOpen,
    onSkipped: ({ seq }) => {
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
  return { stored, delivered, held, world, taken, skipped, deliver };
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

it('walks nothing while nothing is missing', async () => {
  const { stored, world, skipped, deliver } = setUp();
  deliver(1, 10);
  for (let sequence = 11; sequence <= 5_000; sequence += 1) stored.add(sequence);
  world.inLine = 4_990;
  skipped.begin();
  await jest.advanceTimersByTimeAsync(5 * skippedLookMs);
  skipped.end();
  expect(world.reads).toBe(0);
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

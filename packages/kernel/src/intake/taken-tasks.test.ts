import type { TaskId, TaskKey } from '@llmos/base';
import { runningCore } from '../core-fixture';
import { EDGE_LIMITS } from '../edge-limits';
import type { IntakeEvent } from '../kernel-event';
import type { PublishedTask } from '../ports/task-stream';
import { TakenTasks } from './taken-tasks';

const LAST = 10;
const BODY = new Uint8Array([1, 2, 3]);

function setUp() {
  const brought: IntakeEvent[] = [];
  const acknowledged: string[] = [];
  const deleted: number[] = [];
  const passedOver = new Set<number>();
  let nowMs = 0;
  let isAway = false;
  const taken = new TakenTasks({
    lastSequence: LAST,
    nowMs: () => nowMs,
    bodyCacheBytes: 100,
    bringIn: (event) => brought.push(event),
    acknowledge: (reply) => acknowledged.push(reply),
    deleteMessage: (sequence) => {
      if (isAway) return Promise.reject(new Error('away'));
      deleted.push(sequence);
      return Promise.resolve();
    },
    isPassedOver: (sequence) => passedOver.has(sequence),
  });
  return {
    ...{ taken, acknowledged, deleted, passedOver },
    arrivals: () => brought.map(({ arrival, spec }) => `${spec.sequence} ${arrival ?? 'first'}`),
    setAway: (to: boolean) => (isAway = to),
    advance: (ms: number) => {
      nowMs += ms;
      taken.look();
    },
    deliver: (sequence: number, reply = `ack-${sequence}`, read = () => eventOf(sequence)) =>
      taken.takeDelivered({ class: 'standard', sequence, reply, body: BODY }, read),
    takeAhead: (sequence: number, key?: string) =>
      taken.takeAhead(publishedOf(sequence), () => eventOf(sequence, key)),
  };
}

const core = runningCore();

function eventOf(sequence: number, key?: string): IntakeEvent {
  const own = key === undefined ? {} : { key: key as TaskKey };
  const spec = { ...core.task(own), sequence, id: `s${sequence}` as TaskId };
  return { kind: 'task-stored', spec };
}

function publishedOf(sequence: number): PublishedTask {
  const { spec } = eventOf(sequence);
  const { class: taskClass, tenant, function: name } = spec;
  return {
    subject: { class: taskClass, tenant, function: name },
    terms: {} as PublishedTask['terms'],
    body: BODY,
    sequence,
  };
}

it('brings a message in once, and acknowledges its latest delivery alone (T1)', () => {
  const { deliver, taken, arrivals, acknowledged } = setUp();
  expect([deliver(11, 'one'), deliver(11, 'two')]).toEqual(['new', 'known']);
  expect(arrivals()).toEqual(['11 first']);
  expect(taken.bodyOf(11)).toEqual(Buffer.from(BODY));
  expect([taken.end(11), taken.end(11)]).toEqual([true, true]);
  expect(acknowledged).toEqual(['two']);
  expect(taken.has(11)).toBe(false);
});

it('brings one in as `again` that comes once more after its end (T2)', () => {
  const { deliver, taken, arrivals } = setUp();
  deliver(11);
  taken.end(11);
  deliver(11);
  expect(arrivals()).toEqual(['11 first', '11 again']);
});

it('takes a call in once, ahead of its delivery, and acknowledges that (T3)', () => {
  const { takeAhead, deliver, taken, arrivals, acknowledged } = setUp();
  takeAhead(12);
  expect(taken.end(12)).toBe(false);
  expect(acknowledged).toEqual([]);
  expect(deliver(12)).toBe('known');
  expect(acknowledged).toEqual(['ack-12']);
  expect(arrivals()).toEqual(['12 ahead']);
});

it('deletes a call that has ended and whose delivery does not come (T3)', () => {
  const { takeAhead, taken, deleted, advance } = setUp();
  takeAhead(12);
  taken.end(12);
  advance(EDGE_LIMITS.aheadDeliveryMs);
  expect(deleted).toEqual([12]);
});

it('leaves to its turn what another leader may have seen, and what has a key', () => {
  const { takeAhead, arrivals } = setUp();
  takeAhead(LAST);
  takeAhead(12, 'a-key');
  expect(arrivals()).toEqual([]);
});

it('deletes what was passed over when it ends, later where it can’t be deleted now', async () => {
  const { taken, passedOver, deleted, advance, setAway, arrivals } = setUp();
  for (const sequence of [3, 4]) {
    passedOver.add(sequence);
    taken.takePassedOver(eventOf(sequence), BODY);
  }
  expect(taken.end(3)).toBe(false);
  expect(deleted).toEqual([3]);
  setAway(true);
  taken.end(4);
  await new Promise((resolve) => setImmediate(resolve));
  setAway(false);
  advance(EDGE_LIMITS.aheadDeliveryMs);
  expect(deleted).toEqual([3, 4]);
  expect(arrivals()).toEqual(['3 again', '4 again']);
});

it('holds nothing of what can’t be read', () => {
  const { deliver, taken, arrivals } = setUp();
  expect(deliver(11, 'ack', (() => undefined) as never)).toBe('unreadable');
  expect(taken.has(11)).toBe(false);
  expect(arrivals()).toEqual([]);
});

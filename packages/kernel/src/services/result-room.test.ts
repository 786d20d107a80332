import type { StreamLoad, TaskId, TenantId } from '@llmos/base';
import { STREAMS, asToken } from '@llmos/base';
import { termsOf } from '@llmos/base/testing';
import { EDGE_LIMITS } from '../edge-limits';
import type { StoredShare } from '../ports/result-store';
import type { TaskPublisher } from '../ports/task-publisher';
import { ResultRoom } from './result-room';

const MIB = 1024 * 1024;
const MAX_AGE_MS = 1_000_000;
const task: Parameters<TaskPublisher['publish']>[0] = {
  subject: { class: 'standard', tenant: 'acme' as never, function: 'echo' as never },
  terms: termsOf(),
  body: new Uint8Array(),
};

/** A publisher in front of a results stream of 16 MiB that the test fills. */
function setUp() {
  const load: { -readonly [Field in keyof StreamLoad]: StreamLoad[Field] } = {
    stream: STREAMS.results,
    messages: 1,
    bytes: 0,
    maxBytes: 16 * MIB,
  };
  const readings = { streams: [load] };
  const looks: string[] = [];
  const shares = new Map<TenantId, StoredShare>();
  const room = new ResultRoom({
    readings: {
      read: async () => ({ ...readings, intake: [] }),
      loadOf: async (stream) => {
        looks.push(stream);
        return readings.streams.find((of) => of.stream === stream);
      },
    },
    results: { countShares: async () => new Map(shares) },
    resultMaxAgeMs: MAX_AGE_MS,
    nowMs: () => 0,
    wallMs: () => 0,
  });
  let published = 0;
  const publisher = room.guard({
    maxBodyBytes: () => 7,
    publish: async () => ({ sequence: (published += 1) }),
  });
  const store = (bytes: number): void => {
    const of = { tenant: task.subject.tenant, task: asToken<TaskId>('t-1') };
    const place = { stream: STREAMS.results, sequence: 1 };
    room.noteStored(of, { bodyBytes: bytes, place });
  };
  return { load, readings, looks, shares, room, store, publisher, published: () => published };
}

it('publishes nothing while the largest result may not fit, and goes on once it does', async () => {
  const { load, room, publisher, published } = setUp();
  load.bytes = 16 * MIB - EDGE_LIMITS.resultRoomBytes + 1;
  await room.look();
  await expect(publisher.publish(task)).rejects.toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    retryable: true,
    details: { retryAfterMs: EDGE_LIMITS.resultRoomLookMs },
  });
  expect(published()).toBe(0);
  load.bytes -= 1;
  await room.look();
  expect(await publisher.publish(task)).toEqual({ sequence: 1 });
});

it('publishes before the first look, and where the stream has no limit', async () => {
  const { load, room, publisher } = setUp();
  expect(await publisher.publish(task)).toEqual({ sequence: 1 });
  load.bytes = 16 * MIB;
  load.maxBytes = 0;
  await room.look();
  expect(await publisher.publish(task)).toEqual({ sequence: 2 });
  expect(publisher.maxBodyBytes()).toBe(7);
});

it('keeps what it saw last where JetStream does not answer', async () => {
  const { load, readings, room, publisher } = setUp();
  load.bytes = load.maxBytes;
  await room.look();
  readings.streams = [];
  await room.look();
  await expect(publisher.publish(task)).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
});

it('refuses nobody for what was stored and has left again', async () => {
  const { looks, room, store, publisher } = setUp();
  await room.look();
  for (let stored = 0; stored < 2 * 16; stored += 1) {
    store(MIB);
    await new Promise(setImmediate);
  }
  expect(looks.length).toBeGreaterThan(8);
  expect(await publisher.publish(task)).toEqual({ sequence: 1 });
});

it('looks again as soon as much was stored, and once at a time', async () => {
  const { load, looks, room, store, publisher } = setUp();
  await room.look();
  store(1_000);
  expect(looks).toHaveLength(0);
  load.bytes = load.maxBytes;
  for (let stored = 0; stored < 4; stored += 1) store(MIB);
  expect(looks).toEqual([STREAMS.results]);
  await new Promise(setImmediate);
  await expect(publisher.publish(task)).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
});

it('says when the oldest leaves, and watches the answers too', async () => {
  const { readings, room, publisher } = setUp();
  const answers = { stream: STREAMS.answers, messages: 1, bytes: 9 * MIB, maxBytes: 9 * MIB };
  readings.streams.push({ ...answers, freesInMs: 90_000 });
  await room.look();
  expect(room.answersCapacityBytes()).toBe(9 * MIB);
  await expect(publisher.publish(task)).rejects.toMatchObject({
    message: expect.stringContaining('the stored answers are full') as unknown,
    details: { retryAfterMs: 90_000 },
  });
});

it('refuses the tenant that has filled one store, there alone, and no other tenant', async () => {
  const { load, shares, room, publisher } = setUp();
  load.bytes = 13 * MIB;
  shares.set(task.subject.tenant, { bytes: 9 * MIB, oldestWallMs: 0 });
  await room.look();
  await new Promise(setImmediate);
  await expect(publisher.publish(task)).rejects.toMatchObject({
    message: expect.stringContaining('tenant acme has') as unknown,
    details: { retryAfterMs: MAX_AGE_MS },
  });
  const subject = { ...task.subject, tenant: 'zenith' as never };
  expect(await publisher.publish({ ...task, subject })).toEqual({ sequence: 1 });
  // Its answer is stored elsewhere.
  const terms = termsOf({ keepMs: 1_000 });
  expect(await publisher.publish({ ...task, terms })).toEqual({ sequence: 2 });
  expect(room.refusalOf({ tenant: task.subject.tenant })).toBeDefined();
});

it('says what is left of the store, and that nothing is for a tenant that is kept out', async () => {
  const { load, shares, room } = setUp();
  const acme = task.subject.tenant;
  expect(room.limitsOf(acme)).toEqual([]);
  load.bytes = 5 * MIB;
  load.freesInMs = 7_000;
  await room.look();
  const remaining = 11 * MIB - EDGE_LIMITS.resultRoomBytes;
  const row = { name: 'resultBytes', limit: 16 * MIB, remaining, resetMs: 7_000 };
  expect(room.limitsOf(acme)).toEqual([row]);
  load.bytes = 15 * MIB;
  shares.set(acme, { bytes: 15 * MIB, oldestWallMs: 0 });
  await room.look();
  await new Promise(setImmediate);
  expect(room.limitsOf(acme)).toMatchObject([{ remaining: 0 }]);
});

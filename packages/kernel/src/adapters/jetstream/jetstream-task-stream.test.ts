import type { Epoch, FunctionName, TaskClass, TenantId } from '@llmos/base';
import {
  BUILT_IN_FUNCTIONS,
  HEADERS,
  STREAMS,
  ServerTime,
  encodeJson,
  silentLogger,
} from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import type { Msg } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import type { IntakeEvent } from '../../kernel-event';
import { silentCounters } from '../../ports/kernel-counters';
import type { TaskStreamOptions } from './jetstream-task-stream';
import { JetStreamTaskStream } from './jetstream-task-stream';

const { aheadDeliveryMs, aheadLookMs, skippedLookMs } = EDGE_LIMITS;
const LAST = 10;
const EPOCH = 3 as Epoch;
const ALL = { interactive: true, standard: true, batch: true };
const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

/**
 * A server with nothing in its streams but for what a test delivers; `skipped`: one task that no
 * consumer is given.
 */
async function setUp({ skipped = 0 } = {}) {
  const inboxes: { subject: string; callback: (error: null, msg: Msg) => void }[] = [];
  const pulls = new Map<string, string>();
  const acknowledged: string[] = [];
  const deleted: number[] = [];
  const world = { isDeletable: true };
  const connection = {
    info: { max_payload: 1 },
    jetstream: () => ({}),
    status: () => ({ [Symbol.asyncIterator]: () => ({ next: never }) }),
    request: () => Promise.resolve({ data: encodeJson({ consumers: [], total: 0 }) }),
    subscribe: (subject: string, { callback }: (typeof inboxes)[number]) => {
      inboxes.push({ subject, callback });
      return { unsubscribe: () => undefined };
    },
    publish: (subject: string, _body: Uint8Array, options?: { reply: string }) => {
      if (options !== undefined) pulls.set(subject.split('-').at(-1) ?? '', options.reply);
    },
  };
  const isLeft = (): boolean => skipped > 0 && !deleted.includes(skipped);
  const manager = {
    consumers: {
      add: () => Promise.resolve(),
      info: () => Promise.resolve({ num_ack_pending: 0, num_pending: 0, delivered: {} }),
    },
    streams: {
      info: (name: string) => {
        const messages = name === STREAMS.tasks && isLeft() ? 1 : 0;
        return Promise.resolve({ state: { messages, first_seq: 1, last_seq: LAST } });
      },
      getMessage: () => {
        const stored = {
          seq: skipped,
          subject: 'llmos.v1.task.batch.acme.echo',
          time: new Date(0),
        };
        return Promise.resolve({ ...stored, data: new Uint8Array(1), header: undefined });
      },
      deleteMessage: (_stream: string, sequence: number) => {
        if (!world.isDeletable) return Promise.reject(new Error('away'));
        deleted.push(sequence);
        return Promise.resolve(true);
      },
    },
  };
  const events: IntakeEvent[] = [];
  const stream = new JetStreamTaskStream({
    connection,
    manager,
    log: silentLogger,
    counters: silentCounters,
    intake: {
      functionOf: (name: string) => BUILT_IN_FUNCTIONS.find((one) => one.name === name),
      readProtobuf: () => undefined,
      maxBodyBytes: 1_000,
    },
    reads: {},
    slowLane: { push: (reply: string) => acknowledged.push(reply), flush: () => undefined },
    bodyCacheBytes: 1_000,
    time: new ServerTime(manualClock()),
    foreignEpochs: { noteConsumer: () => undefined },
  } as unknown as TaskStreamOptions);
  await stream.begin(EPOCH, (event) => void events.push(event));
  await turn();
  // Nothing is left to read of a backlog: all classes are asked for.
  stream.setIntakeOpen(ALL);
  const replyOf = (sequence: number, number: number): string =>
    `$JS.ACK.LLMOS_TASKS.intake.1.${sequence}.${number}.1700000000000000000.0`;
  return {
    stream,
    events,
    acknowledged,
    deleted,
    world,
    replyOf,
    /** The storing of a task of a call is acknowledged. */
    publish: (sequence: number, headers: Readonly<Record<string, string>> = {}) =>
      stream.takeInAhead({
        sequence,
        subject: { class: 'batch', tenant: 'acme' as TenantId, function: 'echo' as FunctionName },
        headers: new Map(Object.entries(headers)),
        body: Buffer.from('1'),
      }),
    deliver: (sequence: number, number: number, taskClass: TaskClass = 'batch') => {
      const inbox = inboxes.find(({ subject }) => subject === pulls.get(taskClass));
      const subject = `llmos.v1.task.${taskClass}.acme.echo`;
      const msg = { subject, reply: replyOf(sequence, number), data: Buffer.from('1') };
      inbox?.callback(null, msg as unknown as Msg);
    },
    /** Sequence and arrival of what was brought in. */
    came: () => events.map(({ spec, arrival }) => [spec.sequence, arrival]),
  };
}

const turn = (): Promise<void> => jest.advanceTimersByTimeAsync(0);

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

it('brings a task in ahead, once, and acknowledges the delivery that comes later', async () => {
  const { stream, publish, deliver, came, acknowledged, replyOf } = await setUp();
  publish(LAST + 1);
  deliver(LAST + 1, 1);
  expect(came()).toEqual([[LAST + 1, 'ahead']]);
  expect(acknowledged).toEqual([]);
  stream.acknowledge(LAST + 1);
  expect(acknowledged).toEqual([replyOf(LAST + 1, 1)]);
  await stream.end();
});

it('acknowledges the delivery of one that has ended ahead, and never brings it in again', async () => {
  const { stream, publish, deliver, came, acknowledged, replyOf } = await setUp();
  publish(LAST + 1);
  stream.acknowledge(LAST + 1);
  expect(acknowledged).toEqual([]);
  deliver(LAST + 1, 1);
  expect(came()).toHaveLength(1);
  expect(acknowledged).toEqual([replyOf(LAST + 1, 1)]);
  await stream.end();
});

it('says of what comes once more after it was delivered that it does', async () => {
  const { stream, deliver, came } = await setUp();
  deliver(LAST + 1, 1);
  stream.acknowledge(LAST + 1);
  deliver(LAST + 1, 1);
  expect(came()).toEqual([
    [LAST + 1, undefined],
    [LAST + 1, 'again'],
  ]);
  await stream.end();
});

it('leaves one with a key, of another leader’s time or delivered already to its turn', async () => {
  const { stream, publish, deliver, came } = await setUp();
  publish(LAST + 1, { [HEADERS.key]: 'line' });
  publish(LAST);
  deliver(LAST + 3, 1);
  publish(LAST + 2);
  expect(came()).toEqual([[LAST + 3, undefined]]);
  await stream.end();
});

it('leaves to its turn what comes while its class is closed, or the lease has lapsed', async () => {
  const { stream, publish, came } = await setUp();
  stream.setIntakeOpen({ ...ALL, batch: false });
  publish(LAST + 1);
  stream.setIntakeOpen(ALL);
  stream.suspend();
  publish(LAST + 2);
  stream.resume();
  publish(LAST + 3);
  expect(came()).toEqual([[LAST + 3, 'ahead']]);
  await stream.end();
  publish(LAST + 4);
  expect(came()).toHaveLength(1);
});

it('deletes one that has ended ahead and is not delivered, but only while it leads', async () => {
  const { stream, publish, deleted } = await setUp();
  publish(LAST + 1);
  stream.acknowledge(LAST + 1);
  stream.suspend();
  await jest.advanceTimersByTimeAsync(2 * aheadDeliveryMs);
  expect(deleted).toEqual([]);
  stream.resume();
  await jest.advanceTimersByTimeAsync(aheadLookMs);
  expect(deleted).toEqual([LAST + 1]);
  publish(LAST + 2);
  stream.acknowledge(LAST + 2);
  await stream.end();
  await jest.advanceTimersByTimeAsync(2 * aheadDeliveryMs);
  expect(deleted).toEqual([LAST + 1]);
});

it('takes in what is passed over as what came before, and deletes it once it has ended', async () => {
  const { stream, came, deleted, acknowledged } = await setUp({ skipped: 4 });
  await jest.advanceTimersByTimeAsync(2 * skippedLookMs);
  expect(came()).toEqual([[4, 'again']]);
  stream.acknowledge(4);
  await turn();
  expect({ deleted, acknowledged }).toEqual({ deleted: [4], acknowledged: [] });
  await stream.end();
});

it('deletes what is passed over later where that fails', async () => {
  const { stream, world, deleted } = await setUp({ skipped: 4 });
  await jest.advanceTimersByTimeAsync(2 * skippedLookMs);
  world.isDeletable = false;
  stream.acknowledge(4);
  await turn();
  world.isDeletable = true;
  await jest.advanceTimersByTimeAsync(aheadDeliveryMs + aheadLookMs);
  expect(deleted).toEqual([4]);
  await stream.end();
});

it('looks for nothing once it has ended', async () => {
  const { stream } = await setUp();
  await stream.end();
  await turn();
  expect(jest.getTimerCount()).toBe(0);
});

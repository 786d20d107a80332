import type {
  Epoch,
  FunctionName,
  LogFields,
  TaskClass,
  TaskId,
  TaskKey,
  TaskTerms,
  TenantId,
} from '@llmos/base';
import {
  BUILT_IN_FUNCTIONS,
  GUARD_LIMITS,
  STREAMS,
  ServerTime,
  decodeJson,
  encodeJson,
  silentLogger,
  success,
} from '@llmos/base';
import { manualClock, termsOf } from '@llmos/base/testing';
import { NatsError, API_ERRORS } from '@llmos/wire';
import type { Msg } from '@llmos/wire';
import { EDGE_LIMITS } from '../../edge-limits';
import type { IntakeEvent } from '../../kernel-event';
import { silentCounters } from '../../ports/kernel-counters';
import type { CommittedResult } from '../../ports/task-stream';
import type { TaskStreamOptions } from './jetstream-task-stream';
import { JetStreamTaskStream } from './jetstream-task-stream';

const { aheadDeliveryMs, aheadLookMs, skippedLookMs, strayLookMs } = EDGE_LIMITS;
const { pullBatch, pullPacedBatch, intakeCheckMs } = EDGE_LIMITS;
const { maxTenantStoreRequests, maxPacedStoreRequests } = EDGE_LIMITS;
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
  /** How many tasks each pull asked for. */
  const batches: number[] = [];
  const acknowledged: string[] = [];
  /** What was logged as a warning. */
  const warnings: { readonly event: string; readonly fields: LogFields | undefined }[] = [];
  const deleted: number[] = [];
  const stored: string[] = [];
  const world = { isDeletable: true, skipped, consumersMade: 0 };
  const connection = {
    info: { max_payload: 1 },
    jetstream: () => ({
      publish: (subject: string) => {
        stored.push(subject);
        return never();
      },
    }),
    status: () => ({ [Symbol.asyncIterator]: () => ({ next: never }) }),
    request: () => Promise.resolve({ data: encodeJson({ consumers: [], total: 0 }) }),
    subscribe: (subject: string, { callback }: (typeof inboxes)[number]) => {
      inboxes.push({ subject, callback });
      return { unsubscribe: () => undefined };
    },
    publish: (subject: string, body: Uint8Array, options?: { reply: string }) => {
      if (options === undefined) return;
      pulls.set(subject.split('-').at(-1) ?? '', options.reply);
      batches.push((decodeJson(body) as { batch: number }).batch);
    },
  };
  const isLeft = (): boolean => world.skipped > 0 && !deleted.includes(world.skipped);
  const manager = {
    consumers: {
      add: (name: string) => {
        if (name === STREAMS.tasks) world.consumersMade += 1;
        return Promise.resolve();
      },
      delete: () => Promise.resolve(true),
      info: () => Promise.resolve({ num_ack_pending: 0, num_pending: 0, delivered: {} }),
    },
    streams: {
      info: (name: string) => {
        const messages = name === STREAMS.tasks && isLeft() ? 1 : 0;
        return Promise.resolve({ state: { messages, first_seq: 1, last_seq: LAST } });
      },
      getMessage: (name: string) => {
        if (name !== STREAMS.tasks || !isLeft()) return Promise.reject(noMessage());
        const subject = 'llmos.v1.task.batch.acme.echo';
        const stored = { seq: world.skipped, subject, time: new Date(0), header: undefined };
        return Promise.resolve({ ...stored, data: new Uint8Array(1) });
      },
      deleteMessage: (_stream: string, sequence: number) => {
        if (!world.isDeletable) return Promise.reject(new Error('away'));
        deleted.push(sequence);
        return Promise.resolve(true);
      },
    },
  };
  const events: IntakeEvent[] = [];
  /** How results were looked for. */
  const lookedFor: string[] = [];
  const noResult = (how: string): Promise<undefined> => {
    lookedFor.push(how);
    return Promise.resolve(undefined);
  };
  const reads = {
    /** Undefined: nothing is remembered of the backlog. */
    stored: undefined as unknown,
    read: () => noResult('asked'),
    known: () => noResult('remembered'),
  };
  const stream = new JetStreamTaskStream({
    connection,
    manager,
    log: {
      ...silentLogger,
      warn: (event: string, fields?: LogFields) => void warnings.push({ event, fields }),
    },
    counters: silentCounters,
    intake: {
      functionOf: (name: string) => BUILT_IN_FUNCTIONS.find((one) => one.name === name),
      readProtobuf: () => undefined,
      maxBodyBytes: 1_000,
    },
    reads,
    slowLane: { push: (reply: string) => acknowledged.push(reply), flush: () => undefined },
    bodyCacheBytes: 1_000,
    time: new ServerTime(manualClock()),
    encodeResult: () => ({ body: new Uint8Array(1) }),
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
    batches,
    warnings,
    reads,
    lookedFor,
    acknowledged,
    deleted,
    world,
    replyOf,
    /** Ends so many tasks of a mass; answers how many results are on their way to the store then. */
    end: async (count: number): Promise<number> => {
      for (let sequence = 1; sequence <= count; sequence += 1) {
        void stream.commitResult(endOf(sequence)).catch(() => undefined);
      }
      await turn();
      return stored.length;
    },
    /** The storing of a task of a call is acknowledged. */
    publish: (sequence: number, terms: Partial<TaskTerms> = {}) =>
      stream.takeInAhead({
        sequence,
        subject: { class: 'batch', tenant: 'acme' as TenantId, function: 'echo' as FunctionName },
        terms: termsOf(terms),
        body: Buffer.from('1'),
      }),
    deliver: (
      sequence: number,
      number: number,
      taskClass: TaskClass = 'batch',
      subject = `llmos.v1.task.${taskClass}.acme.echo`,
    ) => {
      const inbox = inboxes.find((one) => one.subject === pulls.get(taskClass));
      const msg = { subject, reply: replyOf(sequence, number), data: Buffer.from('1') };
      inbox?.callback(null, msg as unknown as Msg);
    },
    /** Sequence and arrival of what was brought in. */
    came: () => events.map(({ spec, arrival }) => [spec.sequence, arrival]),
  };
}

function noMessage(): NatsError {
  const error = new NatsError('none', '404', undefined);
  const { noMessageFound: err_code } = API_ERRORS;
  error.api_error = { code: 404, err_code, description: 'no message found' };
  return error;
}

function endOf(sequence: number): CommittedResult {
  const [tenant, id] = ['acme' as TenantId, `s${sequence}` as TaskId];
  const of = { tenant, id, function: 'echo' as FunctionName, format: 'json', sequence } as const;
  return { of, class: 'batch', result: success(1), as: 'end' };
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
  publish(LAST + 1, { key: 'line' as TaskKey });
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

it('stores the ends of a mass in small parts once an urgent task has come in', async () => {
  const { stream, deliver, end } = await setUp();
  deliver(LAST + 1, 1, 'interactive');
  expect(await end(2 * maxTenantStoreRequests)).toBe(maxPacedStoreRequests);
  await stream.end();
});

it('stores many of them at once where only others came in', async () => {
  const { stream, deliver, end } = await setUp();
  deliver(LAST + 1, 1, 'batch');
  expect(await end(2 * maxTenantStoreRequests)).toBe(maxTenantStoreRequests);
  await stream.end();
});

it('tells of many subjects that it refuses in few lines, with their number', async () => {
  const { stream, deliver, came, acknowledged, warnings } = await setUp();
  const refused = (number: number): void =>
    deliver(LAST + number, number, 'batch', `llmos.v1.task.batch.a b.f${number}`);
  for (let number = 1; number <= 50; number += 1) refused(number);
  await jest.advanceTimersByTimeAsync(GUARD_LIMITS.lostLogMs);
  refused(51);
  expect([came(), acknowledged]).toEqual([[], []]);
  const lines = warnings.filter(({ event }) => event === 'task-subject-refused');
  expect(lines.map(({ fields }) => fields)).toEqual([
    { subject: 'llmos.v1.task.batch.a b.f1', count: 1 },
    { subject: 'llmos.v1.task.batch.a b.f51', count: 50 },
  ]);
  await stream.end();
});

it('looks for nothing once it has ended', async () => {
  const { stream } = await setUp();
  await stream.end();
  await turn();
  expect(jest.getTimerCount()).toBe(0);
});

it.each(['its delivery is acknowledged after all', 'its message is deleted'])(
  'counts one that is passed over no longer where %s',
  async (how) => {
    const { stream, world, deleted, deliver, came } = await setUp({ skipped: 4 });
    await jest.advanceTimersByTimeAsync(2 * skippedLookMs);
    if (how.includes('acknowledged')) {
      deliver(4, 1);
      world.skipped = 0;
    }
    stream.acknowledge(4);
    await turn();
    expect(deleted).toEqual(how.includes('acknowledged') ? [] : [4]);
    world.skipped = 5;
    await jest.advanceTimersByTimeAsync(strayLookMs + 2 * skippedLookMs);
    expect(came()).toEqual([
      [4, 'again'],
      [5, 'again'],
    ]);
    await stream.end();
  },
);

it('makes no consumer anew while the lease has lapsed: it would be of a replaced leader', async () => {
  const { stream, world, deliver } = await setUp();
  expect(world.consumersMade).toBe(3);
  stream.suspend();
  deliver(LAST + 2, 2);
  await jest.advanceTimersByTimeAsync(5 * intakeCheckMs);
  expect(world.consumersMade).toBe(3);
  stream.resume();
  await jest.advanceTimersByTimeAsync(intakeCheckMs);
  expect(world.consumersMade).toBe(4);
  await stream.end();
});

it('asks for the result of what another leader may have run, and of nothing else', async () => {
  const { stream, events, reads, lookedFor, deliver } = await setUp();
  reads.stored = undefined;
  deliver(LAST, 1);
  deliver(LAST + 1, 2);
  for (const { spec } of events) await stream.lookUp(spec);
  expect(lookedFor).toEqual(['asked', 'remembered']);
  await stream.end();
});

describe('while somebody calls', () => {
  // The pace reads what the event loop has done.
  beforeEach(() => void jest.useFakeTimers({ doNotFake: ['performance'] }));

  it.each(['a call that is taken in', 'a call that a closed class leaves to its turn'])(
    'asks for masses in small parts: %s',
    async (which) => {
      const { stream, publish, deliver, batches } = await setUp();
      stream.setIntakeOpen({ ...ALL, batch: !which.includes('closed') });
      publish(LAST + 1);
      stream.setIntakeOpen(ALL);
      for (let number = 1; number <= pullBatch; number += 1) deliver(LAST + 1 + number, number);
      await jest.advanceTimersByTimeAsync(EDGE_LIMITS.maxPacePauseMs);
      expect(batches.at(-1)).toBe(pullPacedBatch);
      await stream.end();
    },
  );

  it('asks at full speed where the deliveries are of what was taken in ahead', async () => {
    const { stream, publish, deliver, batches } = await setUp();
    for (let number = 1; number <= pullBatch; number += 1) publish(LAST + number);
    for (let number = 1; number <= pullBatch; number += 1) deliver(LAST + number, number);
    const before = batches.length;
    await jest.advanceTimersByTimeAsync(EDGE_LIMITS.maxPacePauseMs);
    expect(batches.slice(before)).toEqual([pullBatch]);
    await stream.end();
  });
});

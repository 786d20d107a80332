/**
 * What a process may rely on of its stores, said once and asked of both: the server that the
 * simulator runs, and a real JetStream with the streams that a kernel makes.
 */
import { HEADERS, answerPlace, resultPlace, seededRandom, subjects } from '@llmos/base';
import type { AttemptSpec, FunctionName, TenantId } from '@llmos/base';
import { wantedStores } from '@llmos/kernel/testing';
import { attemptSpec, createTaskStore, type TaskStore } from '@llmos/process/testing';
import { connect, headers } from 'nats';
import type { NatsConnection } from 'nats';
import { Machine, Program } from '../simulation/program';
import { NO_FAULTS } from '../simulation/scenario';
import { connectTo } from '../simulation/server/simulated-connection';
import { World } from '../simulation/world';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';

const TENANT = 'acme' as TenantId;
const JSON_RESULT = Buffer.from('{"ok":true,"output":1}');
const NOTE = Buffer.from('{"ok":false,"error":{"code":"RESOURCE_EXHAUSTED","message":"full"}}');
const how = { format: 'json', after: 0 } as const;
let taskCount = 0;

interface Side {
  readonly connection: NatsConnection;
  /** Runs it in the side's own time. */
  run(test: (store: TaskStore) => Promise<void>): Promise<void>;
}

function specOf(more: Partial<AttemptSpec> = {}): AttemptSpec {
  taskCount += 1;
  return attemptSpec(`t${taskCount}`, more);
}

function simulatedSide(): Side {
  const options = { faults: NO_FAULTS, isTracing: false, isDigesting: false };
  const world = new World(seededRandom(1), options);
  const program = new Program(new Machine(world.time, 0));
  const { connection } = connectTo(world.server, program);
  return {
    connection,
    run: async (test) => {
      let isOver = false;
      const tested = createTaskStore(connection)
        .then(test)
        .finally(() => (isOver = true));
      await Promise.all([tested, world.time.runUntil(() => isOver)]);
    },
  };
}

let server: TestNatsServer;
let real: NatsConnection;

beforeAll(async () => {
  server = await startNatsServer();
  real = await connect({ servers: server.url });
  const manager = await real.jetstreamManager(PATIENT);
  const budgets = { storageBytes: 512 * 1024 ** 2, resultMaxAgeMs: 60 * 60_000 };
  for (const { config } of wantedStores(budgets)) await manager.streams.add(config);
});

afterAll(async () => {
  await real?.close();
  await server?.stop();
});

const simulated = simulatedSide();
const SIDES: readonly (readonly [string, () => Side])[] = [
  ['the simulated server', () => simulated],
  [
    'JetStream',
    () => ({ connection: real, run: async (test) => test(await createTaskStore(real)) }),
  ],
];

describe.each(SIDES)('a store of tasks on %s', (_name, side) => {
  it('keeps the first result of a task, and says of a later one that it was refused', () =>
    side().run(async (store) => {
      for (const keepMs of [undefined, 60_000]) {
        const of = specOf({ keepMs });
        expect(await store.readResult(of)).toEqual({ kind: 'none' });
        expect(await store.putResult(of, JSON_RESULT, how)).toMatchObject({ kind: 'stored' });
        const again = await store.putResult({ ...of, attempt: 2 }, NOTE, how);
        expect(again).toEqual({ kind: 'refused' });
        expect(await store.readResult(of)).toEqual({ kind: 'found', result: { ok: true } });
      }
    }));

  it('lets a result take the place of a refusal, for whoever names its sequence', () =>
    side().run(async (store) => {
      const of = specOf({ keepMs: 60_000 });
      const header = headers();
      header.set(HEADERS.refused, '7');
      const { subject } = answerPlace(of);
      await side().connection.jetstream().publish(subject, NOTE, { headers: header });
      const found = await store.readResult(of);
      expect(found).toMatchObject({ kind: 'found', refusalSequence: expect.any(Number) });
      const after = found.kind === 'found' ? (found.refusalSequence ?? 0) : 0;
      expect(await store.putResult(of, JSON_RESULT, how)).toEqual({ kind: 'refused' });
      const put = await store.putResult(of, JSON_RESULT, { ...how, after });
      expect(put).toMatchObject({ kind: 'stored' });
      expect(await store.readResult(of)).toEqual({ kind: 'found', result: { ok: true } });
    }));

  it('refuses a second result of a long-lived task also where none was expected to be there', () =>
    side().run(async (store) => {
      const of = specOf();
      await store.putResult(of, JSON_RESULT, how);
      const { subject } = resultPlace(of, undefined);
      const publishing = side().connection.jetstream().publish(subject, NOTE);
      await expect(publishing).rejects.toMatchObject({ api_error: { err_code: 10077 } });
      expect(await store.readResult(of)).toEqual({ kind: 'found', result: { ok: true } });
    }));

  it('says that what no message can hold is too large, and stores nothing of it', () =>
    side().run(async (store) => {
      const of = specOf();
      const large = new Uint8Array(store.maxBodyBytes + 1);
      const limitBytes = store.maxBodyBytes;
      expect(await store.putResult(of, large, how)).toEqual({ kind: 'too-large', limitBytes });
      expect(await store.readResult(of)).toEqual({ kind: 'none' });
    }));

  it('reads a body by its sequence, for its own tenant only', () =>
    side().run(async (store) => {
      const subject = subjects.task({
        class: 'standard',
        tenant: TENANT,
        function: 'echo' as FunctionName,
      });
      const { seq: sequence } = await side()
        .connection.jetstream()
        .publish(subject, Buffer.from('body'));
      const read = await store.readBody(specOf({ sequence }));
      expect(read.kind === 'read' && Buffer.from(read.body).toString()).toBe('body');
      const other = 'zenith' as TenantId;
      expect(await store.readBody(specOf({ sequence, tenant: other }))).toEqual({ kind: 'gone' });
      expect(await store.readBody(specOf({ sequence: sequence + 9 }))).toEqual({ kind: 'gone' });
    }));

  it('appends a chunk right after its predecessor only, and reads on from any of them', () =>
    side().run(async (store) => {
      const of = specOf();
      const chunk = (index: number) => ({ index, text: `<${index}>`, tokens: [index] });
      const empty = { kind: 'read', chunks: [], lastSequence: 0, hasMore: false };
      expect(await store.readChunks(of, 0)).toEqual(empty);
      const sequences: number[] = [];
      for (const index of [0, 1, 2]) {
        const put = await store.putChunk(of, chunk(index), sequences.at(-1) ?? 0);
        sequences.push(put.kind === 'stored' ? put.sequence : 0);
      }
      // One of another task in between.
      await store.putChunk(specOf(), chunk(0), 0);
      expect(await store.putChunk(of, chunk(3), sequences[1] ?? 0)).toEqual({ kind: 'refused' });
      expect(await store.putChunk(of, chunk(3), 0)).toEqual({ kind: 'refused' });
      const [first = 0, , last = 0] = sequences;
      const rest = await store.readChunks(of, first);
      expect(rest).toMatchObject({ kind: 'read', lastSequence: last, hasMore: false });
      expect(rest.kind === 'read' && rest.chunks.map((each) => each.chunk?.index)).toEqual([1, 2]);
      expect(rest.kind === 'read' && rest.chunks.map((each) => each.attempt)).toEqual([1, 1]);
    }));
});

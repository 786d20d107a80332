/** What the registry's adapter makes of its buckets: JetStreamRegistryStore on a real server. */
import { BUCKETS, encodeJson, silentLogger } from '@llmos/base';
import type { FunctionDefinition, ModelRegistration } from '@llmos/base';
import { JetStreamRegistryStore } from '@llmos/kernel/testing';
import { closeLink } from '@llmos/wire';
import type { NatsConnection } from 'nats';
import { openKernelLink } from '../support/kernel-link';
import { ROW_DIGEST, modelRow } from '../support/model-rows';
import type { TestNatsServer } from '../support/nats-server';
import { PATIENT, startNatsServer } from '../support/nats-server';
import { publishUnreadable } from '../support/raw-nats';
import { waitFor } from '../support/wait-for';

let nats: TestNatsServer;
/** As a kernel has it, behind its guards. */
let connection: NatsConnection;
let store: JetStreamRegistryStore;
const skipped: string[] = [];

beforeAll(async () => {
  nats = await startNatsServer();
  const onSkipped = ({ subject }: { readonly subject: string }): void => void skipped.push(subject);
  connection = await openKernelLink(nats.url, { onSkipped });
  const { views } = connection.jetstream(PATIENT);
  for (const bucket of [BUCKETS.models, BUCKETS.functions, BUCKETS.processes]) {
    await views.kv(bucket);
  }
  const manager = await connection.jetstreamManager(PATIENT);
  const options = { connection, manager, log: silentLogger, onSkipped };
  store = await JetStreamRegistryStore.open(options);
});
afterAll(async () => {
  await store?.close();
  if (connection !== undefined) await closeLink(connection);
  await nats?.stop();
});

const put = (bucket: string, key: string, value: unknown): Promise<unknown> => {
  const bytes = value instanceof Uint8Array ? value : encodeJson(value);
  return connection.jetstream(PATIENT).publish(`$KV.${bucket}.${key}`, bytes);
};
const putUnreadable = (bucket: string, key: string): Promise<void> =>
  publishUnreadable({ url: nats.url, subject: `$KV.${bucket}.${key}`, body: ROW_DIGEST });

/** Bytes that are no row of any kind. */
const GARBAGE: readonly (readonly [string, unknown])[] = [
  ['not-json/1', Buffer.from([0xff, 0x00, 0x7b])],
  ['deep/1', Buffer.from('['.repeat(50_000))],
  ['a-number/1', 7],
  ['polluted/1', Buffer.from('{"__proto__":{"name":"polluted"},"version":"1"}')],
  ['empty/1', {}],
];

it('reads the rows that are some beside foreign bytes, and hears what changes', async () => {
  for (const [key, value] of GARBAGE) await put(BUCKETS.models, key, value);
  await put(BUCKETS.models, 'other/1', modelRow(1));
  await putUnreadable(BUCKETS.models, 'unreadable/1');
  await put(BUCKETS.models, 'row-00002/1', modelRow(2));
  const known = new Map<string, ModelRegistration>();
  await store.watchModels((event) => {
    if (event.kind === 'models-changed') {
      known.clear();
      for (const model of event.models) known.set(`${model.name}@${model.version}`, model);
    } else if (event.model === undefined) known.delete(event.target);
    else known.set(event.target, event.model);
  });
  expect([...known.keys()]).toEqual(['row-00002@1']);
  expect(store.modelBytes()).toBeGreaterThan(0);
  expect(await store.addModel(modelRow(3))).toBe('added');
  await waitFor(() => known.has('row-00003@1'), { what: 'the model that was added' });
  for (const [key, value] of GARBAGE) await put(BUCKETS.models, key, value);
  await putUnreadable(BUCKETS.models, 'unreadable/1');
  await store.removeModel('row-00003', '1');
  await waitFor(() => !known.has('row-00003@1'), { what: 'the model to be gone' });
  expect([...known.keys()]).toEqual(['row-00002@1']);
  expect(known.get('row-00002@1')).toEqual(modelRow(2));
});

it('adds a version once, of any number that try at once, and again over what is no row', async () => {
  const tries = await Promise.all(Array.from({ length: 10 }, () => store.addModel(modelRow(4))));
  expect(tries.filter((outcome) => outcome === 'added')).toHaveLength(1);
  await putUnreadable(BUCKETS.models, 'row-00005/1');
  expect(await store.addModel(modelRow(5))).toBe('added');
  expect(await store.addModel(modelRow(5))).toBe('conflict');
  await store.removeModel('row-00005', '1');
  expect(await store.addModel(modelRow(5))).toBe('added');
});

it('counts the files that any row names as used, also rows that it can’t read', async () => {
  const digest = 'b'.repeat(64);
  await put(BUCKETS.models, 'broken/1', Buffer.from(`{"files":[{"sha256":"${digest}"`));
  // What can't be looked at may name any file: nothing is said of any.
  await putUnreadable(BUCKETS.models, 'unreadable/1');
  await expect(store.usedFiles()).rejects.toMatchObject({ code: 'DATA_LOSS' });
  const manager = await connection.jetstreamManager(PATIENT);
  const filter = `$KV.${BUCKETS.models}.unreadable/1`;
  await manager.streams.purge(`KV_${BUCKETS.models}`, { filter });
  expect(await store.usedFiles()).toEqual(new Set([ROW_DIGEST, digest]));
});

it('reads what is to run, and leaves out what is no such row', async () => {
  await store.writeDesired({ model: 'row-00002@1', replicas: 2 });
  for (const [key, value] of GARBAGE) await put(BUCKETS.processes, key, value);
  await put(BUCKETS.processes, 'many/1', { model: 'many@1', replicas: 1e9 });
  await putUnreadable(BUCKETS.processes, 'unreadable/1');
  expect(await store.readDesired()).toEqual([{ model: 'row-00002@1', replicas: 2 }]);
});

it('hears of functions, and goes on after a row that is none', async () => {
  let functions: readonly FunctionDefinition[] = [];
  await store.watchFunctions((all) => (functions = all));
  expect(functions).toEqual([]);
  for (const [key, value] of GARBAGE) await put(BUCKETS.functions, key, value);
  await putUnreadable(BUCKETS.functions, 'unreadable');
  const fields = { description: 'louder', input: {}, output: {}, runs: 'model' };
  // A trait that needs another one: refused, by name.
  await put(BUCKETS.functions, 'odd', { ...fields, name: 'odd', traits: { preemptible: true } });
  await put(BUCKETS.functions, 'shout', { ...fields, name: 'shout' });
  await waitFor(() => functions.some(({ name }) => name === 'shout'), { what: 'the function' });
  expect(functions.map(({ name }) => name)).toEqual(['shout']);
});

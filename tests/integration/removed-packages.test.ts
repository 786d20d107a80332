/** Packages of removed models leave the object store; nothing that a model names does. */
import { createHash } from 'node:crypto';
import { BUCKETS, PACKAGE_STORE, encodeJson, packageObjectName } from '@llmos/base';
import type { ObjectStore } from 'nats';
import type { KernelBench } from '../support/kernel-under-test';
import { startKernelBench } from '../support/kernel-under-test';
import { waitFor } from '../support/wait-for';

const STREAM = `OBJ_${PACKAGE_STORE}`;

let bench: KernelBench;
let store: ObjectStore;

beforeAll(async () => {
  bench = await startKernelBench();
  await bench.untilLeading(await bench.startKernel({ LLMOS_PACKAGE_GRACE_MS: '1000' }));
  store = await bench.jetstream.views.os(PACKAGE_STORE);
});
afterAll(() => bench.stop());

interface File {
  readonly content: Buffer;
  readonly sha256: string;
}

function fileOf(text: string): File {
  const content = Buffer.from(text.repeat(10_000));
  return { content, sha256: createHash('sha256').update(content).digest('hex') };
}

async function put({ content, sha256 }: File): Promise<void> {
  await store.putBlob({ name: packageObjectName(sha256) }, content);
}

function registration(name: string, { content, sha256 }: File) {
  return {
    name,
    digest: sha256,
    files: [{ path: 'model.onnx', sha256, bytes: content.length }],
    manifest: { task: 'infer', graph: 'model.onnx' },
    footprintBytes: 1_000,
  };
}

function add(name: string, file: File) {
  return bench.request('llmos.v1.sys.operator.model-add', registration(name, file));
}

async function isStored({ sha256 }: File): Promise<boolean> {
  return (await store.info(packageObjectName(sha256))) !== null;
}

async function storedBytes(): Promise<number> {
  return (await bench.manager.streams.info(STREAM)).state.bytes;
}

it('gives the room back, of removed models and of uploads that never ended', async () => {
  const [kept, foreign, removed] = [fileOf('kept'), fileOf('foreign'), fileOf('removed')];
  await put(kept);
  expect((await add('kept', kept)).ok).toBe(true);
  // A row that this kernel can't read: another version may have written it.
  await put(foreign);
  const row = { ...registration('foreign', foreign), version: '1', addedWallMs: 1, news: true };
  await bench.jetstream.publish(`$KV.${BUCKETS.models}.foreign/1`, encodeJson(row));
  const bytesBefore = await storedBytes();

  await put(removed);
  await bench.jetstream.publish(`$O.${PACKAGE_STORE}.C.unfinished`, Buffer.alloc(50_000));
  expect((await add('removed', removed)).ok).toBe(true);
  expect(await storedBytes()).toBeGreaterThan(bytesBefore + 50_000);
  const answer = await bench.request('llmos.v1.sys.operator.model-remove', { model: 'removed' });
  expect(answer.ok).toBe(true);

  await waitFor(async () => (await storedBytes()) === bytesBefore, { what: 'the room' });
  expect([await isStored(kept), await isStored(foreign)]).toEqual([true, true]);
  expect(await store.getBlob(packageObjectName(kept.sha256))).toEqual(new Uint8Array(kept.content));
  expect(await isStored(removed)).toBe(false);
});

it('never takes the files of a model that is being added', async () => {
  for (let round = 0; round < 4; round += 1) {
    const file = fileOf(`round ${round}`);
    await put(file);
    // Whoever waits for about the grace meets the removal; refused, it stores the file again.
    await waitFor(async () => !(await isStored(file)), { what: 'it to go', limitMs: 900 }).catch(
      () => undefined,
    );
    const added = await waitFor(
      async () => {
        const answer = await add(`round-${round}`, file);
        if (!answer.ok) await put(file);
        return answer.ok;
      },
      { what: 'the model to be added' },
    );
    expect([added, await isStored(file)]).toEqual([true, true]);
  }
  const rounds = [0, 1, 2, 3].map((round) => fileOf(`round ${round}`));
  // A file stored now and named by nobody shows that a whole grace has passed for the others.
  const witness = fileOf('witness');
  await put(witness);
  await waitFor(async () => !(await isStored(witness)), { what: 'the witness to go' });
  expect(await Promise.all(rounds.map(isStored))).toEqual([true, true, true, true]);
});

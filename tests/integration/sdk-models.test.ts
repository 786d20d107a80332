/** Uploading model packages, against a real object store. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PACKAGE_STORE, packageObjectName } from '@llmos/base';
import { connect } from '@llmos/sdk';
import type { LlmosClient, PackageDescription, UploadProgress } from '@llmos/sdk';
import { FakeKernel } from '../support/fake-kernel';
import { PATIENT, startNatsServer } from '../support/nats-server';
import type { TestNatsServer } from '../support/nats-server';

let server: TestNatsServer;
let kernel: FakeKernel;
let os: LlmosClient;
let folder: string;
const added: unknown[] = [];

beforeAll(async () => {
  server = await startNatsServer();
  kernel = await FakeKernel.start({
    url: server.url,
    systemCalls: {
      'model-add': (request) => {
        added.push(request);
        return { model: request, added: true };
      },
      'model-remove': () => ({ removed: ['tiny@1'] }),
    },
  });
  os = await connect({ servers: server.url, timeoutMs: 60_000 });
  folder = mkdtempSync(join(tmpdir(), 'llmos-package-'));
  mkdirSync(join(folder, 'onnx'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await os.close();
  await kernel.stop();
  await server.stop();
});

function writePackage(files: Readonly<Record<string, Buffer>>): PackageDescription {
  for (const [path, bytes] of Object.entries(files)) writeFileSync(join(folder, path), bytes);
  return {
    digest: 'd'.repeat(64),
    files: Object.entries(files).map(([path, bytes]) => ({
      path,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      bytes: bytes.byteLength,
    })),
    manifest: { task: 'infer', graph: 'onnx/model.onnx' },
    footprintBytes: 1,
  };
}

async function storedBytes(sha256: string): Promise<Uint8Array | null> {
  const store = await kernel.connection.jetstream(PATIENT).views.os(PACKAGE_STORE);
  return store.getBlob(packageObjectName(sha256));
}

it('stores every file by digest so that other clients read it, and registers the model', async () => {
  const graph = randomBytes(3_000_001);
  const files = { 'config.json': Buffer.from('{}'), 'onnx/model.onnx': graph, empty: Buffer.of() };
  const description = writePackage(files);
  const progress: UploadProgress[] = [];
  await expect(
    os.addModel({ name: 'tiny', folder, description, onProgress: (at) => progress.push(at) }),
  ).resolves.toMatchObject({ added: true });
  for (const { path, sha256 } of description.files) {
    const bytes = await storedBytes(sha256);
    expect(Buffer.from(bytes ?? []).equals(files[path as keyof typeof files])).toBe(true);
  }
  expect(added.at(-1)).toEqual({ name: 'tiny', ...description });
  expect(progress.at(-1)).toMatchObject({ storedBytes: 3_000_003, totalBytes: 3_000_003 });
});

it('sends a file that is there already not again', async () => {
  const description = writePackage({ 'config.json': randomBytes(1000) });
  await os.addModel({ name: 'tiny', folder, description });
  const store = await kernel.connection.jetstream(PATIENT).views.os(PACKAGE_STORE);
  const before = await store.status();
  await os.addModel({ name: 'tiny', folder, description, version: '7' });
  expect((await store.status()).streamInfo.state.last_seq).toBe(before.streamInfo.state.last_seq);
  expect(added.at(-1)).toMatchObject({ version: '7' });
});

it('stores nothing of a file that changed after the package was checked', async () => {
  const description = writePackage({ 'config.json': randomBytes(500_000) });
  writeFileSync(join(folder, 'config.json'), randomBytes(500_000));
  const count = added.length;
  const outcome = os.addModel({ name: 'tiny', folder, description });
  await expect(outcome).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  await expect(storedBytes(description.files[0]?.sha256 ?? '')).resolves.toBeNull();
  expect(added.length).toBe(count);
});

it.each(['../outside', '/etc/hostname', 'onnx/../../outside'])(
  'reads no file outside of the package: %s',
  async (path) => {
    const description = writePackage({});
    const files = [{ path, sha256: 'a'.repeat(64), bytes: 1 }];
    const outcome = os.addModel({ name: 'tiny', folder, description: { ...description, files } });
    await expect(outcome).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  },
);

it('refuses a name that is none', async () => {
  const outcome = os.addModel({ name: 'a b', folder, description: writePackage({}) });
  await expect(outcome).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

it('stops when its signal aborts', async () => {
  const abort = new AbortController();
  const description = writePackage({ 'onnx/model.onnx': randomBytes(5_000_000) });
  const onProgress = (): void => abort.abort();
  const signal = abort.signal;
  const outcome = os.addModel({ name: 'tiny', folder, description, onProgress, signal });
  await expect(outcome).rejects.toMatchObject({ code: 'CANCELLED' });
});

it('says which versions were removed', async () => {
  await expect(os.removeModel('tiny')).resolves.toEqual(['tiny@1']);
});

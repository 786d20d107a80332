/** Machines that can't load a model, on real programs: the others serve, and what waits is not lost. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlockedModel, NodeFault } from '@llmos/sdk';
import type { TestSystem } from '../support/test-system';
import { shippedModel, startTestSystem } from '../support/test-system';
import { waitFor } from '../support/wait-for';

const MODEL = 'mini-encoder';
const TASKS = 1_000;
/** More than ended a whole queue once. */
const FAILURES = 6;
const GIB = 1024 ** 3;

let system: TestSystem;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-blocked-'));
});
afterEach(async () => {
  await system?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const workerEnv = (name: string, memoryGib: number, more: Record<string, string> = {}) => ({
  LLMOS_NODE: name,
  LLMOS_DEVICE: 'cpu',
  LLMOS_CACHE_DIR: join(folder, name),
  LLMOS_MEMORY_BYTES: String(memoryGib * GIB),
  ...more,
});

async function faultsOf(node: string): Promise<readonly NodeFault[]> {
  return (await system.os.nodes()).find((row) => row.node === node)?.faults ?? [];
}

async function blocked(): Promise<readonly BlockedModel[]> {
  return (await system.os.info()).blocked ?? [];
}

it('a node that can not load a model for good leaves it to another, and is not asked again', async () => {
  // The larger one is chosen first; no package fits into its cache.
  system = await startTestSystem({
    workerEnv: workerEnv('narrow', 8, { LLMOS_CACHE_BYTES: '1000' }),
  });
  await system.startWorker(workerEnv('sound', 4));
  await waitFor(async () => (await system.os.nodes()).length === 2, { what: 'two nodes' });
  const { files } = await system.addModel(MODEL, shippedModel(MODEL));
  expect(files.length).toBeGreaterThan(0);
  const { embeddings } = await system.os.embed({ model: MODEL, text: 'it is served' });
  expect(embeddings).toHaveLength(1);
  const [fault] = await faultsOf('narrow');
  expect(fault).toMatchObject({ model: `${MODEL}@1`, isPermanent: true, failures: 1 });
  expect(fault?.message).toContain('the cache holds 1000');
  expect(await faultsOf('sound')).toEqual([]);
  expect(await blocked()).toEqual([]);
  // Whoever asks for it has it tried once more; then the other one takes this, too.
  const operator = await system.connectAs('operator');
  await operator.spawn({ model: MODEL, replicas: 2 });
  const ready = await waitFor(
    async () => {
      const rows = (await system.os.ps()).filter(({ model }) => model === `${MODEL}@1`);
      const serving = rows.filter(({ state }) => state === 'ready');
      return serving.length === 2 && serving;
    },
    { what: 'two replicas' },
  );
  expect(ready.map((row) => row.node)).toEqual(['sound', 'sound']);
  const narrow = (await system.os.ps()).filter((row) => row.node === 'narrow');
  expect(narrow.map((row) => row.state)).toEqual(['exited', 'exited']);
});

it('a thousand tasks outlive loads that fail, say what they wait for, and run once one goes well', async () => {
  system = await startTestSystem({ workerEnv: workerEnv('damaged', 8) });
  // The disk of its cache is in disorder: where drafts are made lies a file.
  const drafts = join(folder, 'damaged', 'drafts');
  rmSync(drafts, { recursive: true });
  writeFileSync(drafts, '');
  await system.addModel(MODEL, shippedModel(MODEL));
  const submitted = Array.from({ length: TASKS }, (_, index) =>
    system.os.submit('embed', { model: MODEL, text: `text ${index}` }, { class: 'batch' }),
  );
  const tasks = await Promise.all(submitted);
  const fault = await waitFor(
    async () => (await faultsOf('damaged')).find(({ failures }) => failures >= FAILURES),
    { what: `${FAILURES} loads to fail`, limitMs: 120_000 },
  );
  expect(fault).toMatchObject({ model: `${MODEL}@1`, isPermanent: false });
  const [block] = await blocked();
  expect(block).toMatchObject({ model: `${MODEL}@1`, because: 'failing', queued: TASKS });
  expect(block?.message).toMatch(/node damaged: .*cache: ENOTDIR/);
  const last = await tasks.at(-1)?.status();
  expect(last).toMatchObject({
    state: 'queued',
    waitsFor: 'process',
    blocked: { because: 'failing' },
    ahead: { others: 0 },
  });

  rmSync(drafts);
  mkdirSync(drafts);
  const outputs = await Promise.all(tasks.map((task) => task.result()));
  expect(outputs).toHaveLength(TASKS);
  expect(await blocked()).toEqual([]);
});

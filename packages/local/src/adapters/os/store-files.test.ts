import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freeBytesOf, readStoragePlan, readStoreFiles, writeStoragePlan } from './store-files';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-store-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function store(name: string, meta: string, blockBytes = 0): void {
  const stream = join(folder, 'jetstream', '$G', 'streams', name);
  mkdirSync(join(stream, 'msgs'), { recursive: true });
  writeFileSync(join(stream, 'meta.inf'), meta);
  writeFileSync(join(stream, 'msgs', '1.blk'), Buffer.alloc(blockBytes));
}

it('what the streams reserve and hold is read from the files of the server', () => {
  const [tasks, bucket] = [
    '{"name":"LLMOS_TASKS","max_bytes":1000}',
    '{"name":"KV_x","max_bytes":-1}',
  ];
  store('LLMOS_TASKS', tasks, 300);
  store('KV_x', bucket, 50);
  expect(readStoreFiles(folder)).toEqual({
    stores: 2,
    reservedBytes: 1000,
    streamUsedBytes: tasks.length + 300,
    usedBytes: tasks.length + bucket.length + 350,
    hasMarks: false,
  });
  const state = join(folder, 'jetstream', '$G', 'streams', 'KV_x', 'msgs', 'index.db');
  writeFileSync(state, '');
  expect(readStoreFiles(folder)).toMatchObject({ hasMarks: true });
});

it('what is no store counts nothing', () => {
  store('a', '{');
  store('b', '[]');
  store('c', '{"max_bytes":5}');
  store('d', '{"name":"d","max_bytes":1e300}');
  writeFileSync(join(folder, 'jetstream', 'file'), '');
  expect(readStoreFiles(folder)).toMatchObject({ stores: 1, reservedBytes: 0 });
  expect(readStoreFiles(join(folder, 'nowhere'))).toMatchObject({ stores: 0 });
});

it('a plan is kept, and one that can’t be read is named', () => {
  expect(readStoragePlan(folder)).toBeUndefined();
  const plan = { streamBytes: 2 ** 30, storeBytes: 2 ** 31, isInUse: true };
  writeStoragePlan(folder, plan);
  expect(readStoragePlan(folder)).toEqual(plan);
  expect(existsSync(join(folder, 'storage.json.new'))).toBe(false);
  writeFileSync(join(folder, 'storage.json'), '{');
  expect(() => readStoragePlan(folder)).toThrow(/storage\.json is no plan of storage/);
  rmSync(join(folder, 'storage.json'));
  mkdirSync(join(folder, 'storage.json'));
  expect(() => readStoragePlan(folder)).toThrow(/storage\.json can't be read: .*EISDIR/);
});

it('the room of a folder that is not there yet is that of its disk', () => {
  expect(freeBytesOf(join(folder, 'a', 'b'))).toBeGreaterThan(0);
});

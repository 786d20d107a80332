import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@llmos/base';
import type { PackageDisk } from '../../ports/package-disk';
import { openPackageDisk } from './fs-package-disk';

const DIGEST = 'd'.repeat(64);
const bytes = Buffer.from('a small graph');
const file = {
  path: 'onnx/model.onnx',
  sha256: createHash('sha256').update(bytes).digest('hex'),
  bytes: bytes.length,
};
async function* pieces(...parts: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  for (const part of parts) yield part;
}

let folder: string;
let disk: PackageDisk;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-disk-'));
  disk = await openPackageDisk({ folder, clock: systemClock });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function store(): Promise<void> {
  const draft = await disk.createDraft(DIGEST);
  await draft.write(file, pieces(bytes.subarray(0, 5), bytes.subarray(5)));
  await draft.publish();
  await draft.discard();
}
const check = async () => (await disk.check(DIGEST, [file])).kind;

describe('package disk', () => {
  it('shows a package only when it is complete', async () => {
    const draft = await disk.createDraft(DIGEST);
    await draft.write(file, pieces(bytes));
    expect(await check()).toBe('absent');
    await draft.publish();
    expect(await check()).toBe('valid');
    expect(readFileSync(join(disk.folderOf(DIGEST), file.path))).toEqual(bytes);
    expect(await disk.list()).toMatchObject([{ digest: DIGEST, bytes: bytes.length }]);
    expect(readdirSync(join(folder, 'drafts'))).toEqual([]);
  });

  it.each([
    ['other bytes', Buffer.from('a small GRAPH')],
    ['fewer bytes', Buffer.from('a small')],
    ['more bytes', Buffer.from('a small graph and more')],
  ])('refuses a file with %s and leaves nothing behind', async (_what, wrong) => {
    const draft = await disk.createDraft(DIGEST);
    await expect(draft.write(file, pieces(wrong))).rejects.toMatchObject({ code: 'DATA_LOSS' });
    await draft.discard();
    expect(readdirSync(join(folder, 'drafts'))).toEqual([]);
  });

  it('finds every kind of damage', async () => {
    const path = join(disk.folderOf(DIGEST), file.path);
    const damages: (() => void)[] = [
      () => writeFileSync(path, 'a small grapH'),
      () => appendFileSync(path, 'x'),
      () => rmSync(path),
      () => writeFileSync(join(disk.folderOf(DIGEST), 'extra'), 'x'),
    ];
    for (const damage of damages) {
      await store();
      damage();
      expect(await check()).toBe('corrupt');
      await disk.remove(DIGEST);
      expect(await check()).toBe('absent');
    }
  });

  it('follows no link, neither of a file nor of the package', async () => {
    await store();
    const path = join(disk.folderOf(DIGEST), file.path);
    const outside = join(folder, 'outside');
    writeFileSync(outside, bytes);
    rmSync(path);
    symlinkSync(outside, path);
    expect(await check()).toBe('corrupt');
    await disk.remove(DIGEST);
    expect(existsSync(outside)).toBe(true);
    symlinkSync(folder, disk.folderOf(DIGEST));
    expect(await check()).toBe('corrupt');
  });

  it('writes nowhere but into the draft', async () => {
    const draft = await disk.createDraft(DIGEST);
    await expect(draft.write({ ...file, path: '../x' }, pieces(bytes))).rejects.toThrow('../x');
    await expect(disk.check('../..', [])).rejects.toThrow('digest');
    expect(existsSync(join(folder, 'drafts', 'x'))).toBe(false);
  });

  it('keeps the copy of another program that was first', async () => {
    const late = await disk.createDraft(DIGEST);
    await late.write(file, pieces(bytes));
    await store();
    await late.publish();
    await late.discard();
    expect(await check()).toBe('valid');
  });
});

import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
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
import { openPackageDisk, removeDrafts } from './fs-package-disk';

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
  disk = await openPackageDisk({ folder, owner: 'n1', clock: systemClock });
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

  it('removes what its owner had begun before it died, and nobody else’s', async () => {
    await disk.createDraft(DIGEST);
    const other = await openPackageDisk({ folder, owner: 'n10', clock: systemClock });
    await other.createDraft(DIGEST);
    mkdirSync(join(folder, 'drafts', 'n1.p1-1.2.weights-x'));
    mkdirSync(join(folder, 'drafts', 'n1.p1-1.20.weights-x'));

    await removeDrafts(folder, 'n1.p1-1.2');
    expect(readdirSync(join(folder, 'drafts'))).toHaveLength(3);
    await openPackageDisk({ folder, owner: 'n1', clock: systemClock });
    expect(readdirSync(join(folder, 'drafts'))).toEqual([expect.stringMatching(/^n10\./)]);
  });

  it('tells of a package that another agent removed that it is absent', async () => {
    await store();
    expect(await disk.touch(DIGEST)).toBe(true);
    rmSync(disk.folderOf(DIGEST), { recursive: true });
    expect(await disk.touch(DIGEST)).toBe(false);
    expect(await check()).toBe('absent');
    expect(await disk.list()).toEqual([]);
  });

  it('says that it can’t be used now where the disk refuses', async () => {
    const refusal = { code: 'UNAVAILABLE', retryable: true };
    rmSync(folder, { recursive: true, force: true });
    writeFileSync(folder, 'no folder any more');
    await expect(disk.list()).rejects.toMatchObject(refusal);
    await expect(disk.touch(DIGEST)).rejects.toMatchObject(refusal);
    await expect(disk.createDraft(DIGEST)).rejects.toMatchObject(refusal);
    await expect(disk.remove(DIGEST)).rejects.toMatchObject(refusal);
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

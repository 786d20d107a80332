/**
 * Model packages as folders: `packages/DIGEST/…` complete and read-only by agreement, `drafts/…`
 * while they are written. A draft becomes a package by one rename, so that none is ever seen half.
 * Names of drafts begin with their owner's, so that what an owner left behind is known as such.
 */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import type { Dirent, Stats } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock, PackageFile } from '@llmos/base';
import { LlmosError, quoteShort } from '@llmos/base';
import { PACKAGE_LIMITS } from '../../limits';
import { assertPackageFiles, isDigest } from '../../models/package-path';
import type { PackageDisk, PackageDraft, StoredPackage } from '../../ports/package-disk';

/** Beside the packages; what lies there for long is removed when the agent starts. */
export const DRAFTS_FOLDER = 'drafts';

export interface PackageDiskOptions {
  readonly folder: string;
  /** Name of the program that writes here: what it wrote before it died is removed. */
  readonly owner: string;
  readonly clock: Clock;
}

/** Creates the folders; removes the drafts of this owner, and old ones of whoever died. */
export async function openPackageDisk(options: PackageDiskOptions): Promise<PackageDisk> {
  const disk = new FsPackageDisk(options);
  await disk.open();
  return disk;
}

class FsPackageDisk implements PackageDisk {
  private readonly packages: string;
  private readonly drafts: string;

  constructor(private readonly options: PackageDiskOptions) {
    this.packages = join(options.folder, 'packages');
    this.drafts = join(options.folder, DRAFTS_FOLDER);
  }

  async open(): Promise<void> {
    await mkdir(this.packages, { recursive: true });
    await mkdir(this.drafts, { recursive: true });
    await removeDrafts(this.options.folder, this.options.owner);
    for (const name of await readdir(this.drafts)) {
      const path = join(this.drafts, name);
      const ageMs = this.options.clock.wallMs() - ((await lstatOf(path))?.mtimeMs ?? Infinity);
      if (ageMs > PACKAGE_LIMITS.staleDraftMs) await rm(path, { recursive: true, force: true });
    }
  }

  folderOf(digest: string): string {
    if (!isDigest(digest))
      throw new LlmosError('INVALID_ARGUMENT', `package digest ${quoteShort(digest)}`);
    return join(this.packages, digest);
  }

  async check(
    digest: string,
    files: readonly PackageFile[],
  ): Promise<{ kind: 'valid' } | { kind: 'absent' } | { kind: 'corrupt'; what: string }> {
    const folder = this.folderOf(digest);
    const found = await lstatOf(folder);
    if (found === undefined) return { kind: 'absent' };
    if (!found.isDirectory()) return { kind: 'corrupt', what: 'the package is not a folder' };
    const expected = new Map(files.map((file) => [file.path, file]));
    for (const path of await pathsBelow(folder)) {
      const file = expected.get(path);
      if (file === undefined) return { kind: 'corrupt', what: `${path} does not belong` };
      const problem = await checkFile(join(folder, path), file);
      if (problem !== undefined) return { kind: 'corrupt', what: `${path} ${problem}` };
      expected.delete(path);
    }
    const [missing] = expected.keys();
    return missing === undefined
      ? { kind: 'valid' }
      : { kind: 'corrupt', what: `${missing} is missing` };
  }

  async list(): Promise<readonly StoredPackage[]> {
    const stored: StoredPackage[] = [];
    for (const digest of (await entriesOf(this.packages)).map(({ name }) => name)) {
      if (!isDigest(digest)) continue;
      const folder = join(this.packages, digest);
      const found = await lstatOf(folder);
      if (found === undefined) continue;
      let bytes = 0;
      for (const path of await pathsBelow(folder)) {
        bytes += (await lstatOf(join(folder, path)))?.size ?? 0;
      }
      stored.push({ digest, bytes, usedWallMs: found.mtimeMs });
    }
    return stored;
  }

  async touch(digest: string): Promise<boolean> {
    const seconds = this.options.clock.wallMs() / 1000;
    try {
      await utimes(this.folderOf(digest), seconds, seconds);
      return true;
    } catch (thrown) {
      if (codeOf(thrown) === 'ENOENT') return false;
      throw diskError(thrown);
    }
  }

  async remove(digest: string): Promise<void> {
    const away = this.draftOf(digest);
    try {
      // Gone at once for everyone, whatever the removal then takes.
      await rename(this.folderOf(digest), away);
    } catch (thrown) {
      if (codeOf(thrown) !== 'ENOENT') throw diskError(thrown);
    }
    await removeAll(away);
  }

  async createDraft(digest: string): Promise<PackageDraft> {
    const folder = this.draftOf(digest);
    await mkdir(folder).catch((thrown: unknown) => {
      throw diskError(thrown);
    });
    return new FsPackageDraft(folder, this.folderOf(digest));
  }

  private draftOf(digest: string): string {
    const name = `${this.options.owner}.${digest}-${randomBytes(6).toString('hex')}`;
    return join(this.drafts, name);
  }
}

/** Removes what an owner left in the drafts of this folder, and those whose names it begins. */
export async function removeDrafts(folder: string, owner: string): Promise<void> {
  const drafts = join(folder, DRAFTS_FOLDER);
  for (const { name } of await entriesOf(drafts)) {
    if (name.startsWith(`${owner}.`)) await removeAll(join(drafts, name));
  }
}

class FsPackageDraft implements PackageDraft {
  constructor(
    private readonly folder: string,
    private readonly target: string,
  ) {}

  async write(file: PackageFile, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    assertPackageFiles([file]);
    const path = join(this.folder, file.path);
    const hash = createHash('sha256');
    let written = 0;
    try {
      await mkdir(dirname(path), { recursive: true });
      const handle = await open(path, 'wx', 0o644);
      try {
        for await (const piece of bytes) {
          written += piece.length;
          if (written > file.bytes) break;
          hash.update(piece);
          await handle.writeFile(piece);
        }
      } finally {
        await handle.close();
      }
    } catch (thrown) {
      throw thrown instanceof LlmosError ? thrown : diskError(thrown);
    }
    if (written !== file.bytes) {
      const relation = written > file.bytes ? 'more than' : `${written} of`;
      throw dataLoss(`${file.path} has ${relation} ${file.bytes} bytes`);
    }
    const found = hash.digest('hex');
    if (found !== file.sha256) {
      throw dataLoss(`${file.path} has sha256 ${found}, not ${file.sha256}`);
    }
  }

  async publish(): Promise<void> {
    try {
      await rename(this.folder, this.target);
    } catch (thrown) {
      // Another agent on this machine was first; what it published is verified at its next use.
      if (!['ENOTEMPTY', 'EEXIST'].includes(codeOf(thrown) ?? '')) throw diskError(thrown);
    }
  }

  async discard(): Promise<void> {
    await removeAll(this.folder);
  }
}

/** Empty where the folder is gone: another program may remove it at any moment. */
async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return [];
    throw diskError(thrown);
  }
}

async function removeAll(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (thrown) {
    throw diskError(thrown);
  }
}

/** Everything below a folder but folders themselves; links are listed, never followed. */
async function pathsBelow(folder: string, prefix = ''): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await entriesOf(join(folder, prefix))) {
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) paths.push(...(await pathsBelow(folder, path)));
    else paths.push(path);
    // A folder full of foreign files is corrupt anyway.
    if (paths.length > PACKAGE_LIMITS.maxFiles) break;
  }
  return paths;
}

/** Undefined where the file is what it should be. */
async function checkFile(path: string, file: PackageFile): Promise<string | undefined> {
  const found = await lstatOf(path);
  if (found === undefined) return 'is missing';
  if (!found.isFile()) return 'is not a regular file';
  if (found.size !== file.bytes) return `has ${found.size} of ${file.bytes} bytes`;
  const hash = createHash('sha256');
  // O_NOFOLLOW: it may have become a link since it was looked at.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW;
  try {
    const handle = await open(path, flags);
    // The stream closes the handle, at its end and on errors.
    const pieces = handle.createReadStream({ highWaterMark: 1024 * 1024 });
    for await (const piece of pieces) hash.update(piece as Buffer);
  } catch (thrown) {
    const code = codeOf(thrown);
    // This program's own shortage says nothing of the file.
    if (['EMFILE', 'ENFILE', 'ENOMEM'].includes(code ?? '')) throw diskError(thrown);
    return `can't be read: ${code ?? String(thrown)}`;
  }
  return hash.digest('hex') === file.sha256 ? undefined : 'has other bytes';
}

async function lstatOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch {
    return undefined;
  }
}

function codeOf(thrown: unknown): string | undefined {
  return (thrown as NodeJS.ErrnoException | undefined)?.code;
}

function diskError(cause: unknown): LlmosError {
  const isFull = ['ENOSPC', 'EDQUOT'].includes(codeOf(cause) ?? '');
  const message = cause instanceof Error ? cause.message : String(cause);
  return new LlmosError(isFull ? 'RESOURCE_EXHAUSTED' : 'UNAVAILABLE', `cache: ${message}`, {
    cause,
  });
}

/** What is stored is not what was registered: reading it again gives the same bytes. */
function dataLoss(message: string): LlmosError {
  return new LlmosError('DATA_LOSS', message);
}

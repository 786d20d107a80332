/**
 * The files of a backup. Every file is written beside its place, brought to the disk and renamed,
 * so what has its name is whole; digests are taken of what is written and compared when it is read.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LlmosError } from '@llmos/base';
import { CLI_LIMITS } from '../limits';
import type { BackedUpStream, Manifest } from './manifest';
import { MANIFEST_FILE, formatManifest, parseManifest, snapshotFile } from './manifest';

const RESTORING_FILE = 'restoring';

export interface WrittenFile {
  readonly fileBytes: number;
  readonly sha256: string;
}

export class BackupFolder {
  readonly manifestPath: string;

  constructor(readonly path: string) {
    this.manifestPath = join(path, MANIFEST_FILE);
  }

  /** The manifest; undefined where the folder is missing or empty. */
  async read(): Promise<Manifest | undefined> {
    const names = await this.#list();
    if (names.length === 0) return undefined;
    if (!names.includes(MANIFEST_FILE)) {
      throw new LlmosError(
        'FAILED_PRECONDITION',
        `${this.path} is no backup: it has files and no ${MANIFEST_FILE}`,
      );
    }
    const { size } = await stat(this.manifestPath);
    if (size > CLI_LIMITS.manifestBytes) {
      const message = `${this.manifestPath} is larger than ${CLI_LIMITS.manifestBytes} bytes`;
      throw new LlmosError('FAILED_PRECONDITION', message);
    }
    return parseManifest(await readFile(this.manifestPath, 'utf8'), this.manifestPath);
  }

  async #list(): Promise<readonly string[]> {
    try {
      return await readdir(this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw unreadable(this.path, error);
    }
  }

  async writeManifest(manifest: Manifest): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await this.#write(MANIFEST_FILE, async (file) => {
      await file.writeFile(formatManifest(manifest));
    });
  }

  /** Which stream a restore is about; undefined: none any more. */
  async noteRestoring(name: string | undefined): Promise<void> {
    try {
      if (name === undefined) await rm(join(this.path, RESTORING_FILE), { force: true });
      else await this.#write(RESTORING_FILE, (file) => file.writeFile(name));
    } catch {
      // A folder that can't be written restores as well; only what is cut short does not go on.
    }
  }

  /** The stream that a restore was about when it was cut short. */
  async readRestoring(): Promise<string | undefined> {
    try {
      const path = join(this.path, RESTORING_FILE);
      if ((await stat(path)).size > CLI_LIMITS.manifestBytes) return undefined;
      return await readFile(path, 'utf8');
    } catch {
      return undefined;
    }
  }

  /** @param fill writes the parts in their order; what it rejects with leaves no file. */
  async writeSnapshot(
    name: string,
    fill: (write: (part: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<WrittenFile> {
    const hash = createHash('sha256');
    let fileBytes = 0;
    await this.#write(snapshotFile(name), (file) =>
      fill(async (part) => {
        hash.update(part);
        fileBytes += part.byteLength;
        await file.writeFile(part);
      }),
    );
    return { fileBytes, sha256: hash.digest('hex') };
  }

  async #write(name: string, fill: (file: FileHandle) => Promise<void>): Promise<void> {
    const path = join(this.path, name);
    const part = `${path}.part`;
    let file: FileHandle | undefined;
    try {
      file = await open(part, 'w');
      await fill(file);
      await file.sync();
      await file.close();
      await rename(part, path);
    } catch (error) {
      await file?.close().catch(() => undefined);
      await rm(part, { force: true });
      const { code, message } = error as NodeJS.ErrnoException;
      if (typeof code !== 'string' || !/^E[A-Z]+$/.test(code)) throw error;
      const text = `${path} can't be written: ${message}`;
      throw new LlmosError('FAILED_PRECONDITION', text, { cause: error });
    }
  }

  /** The parts of a snapshot's file, none larger than the server takes. */
  async *readSnapshot(name: string, partBytes: number): AsyncGenerator<Uint8Array> {
    const path = join(this.path, snapshotFile(name));
    try {
      yield* createReadStream(path, { highWaterMark: partBytes }) as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw unreadable(path, error);
    }
  }

  /** Rejects with DATA_LOSS where the file is not what was written. */
  async verify(stream: BackedUpStream, onBytes: (bytes: number) => void): Promise<void> {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const part of this.readSnapshot(stream.name, CLI_LIMITS.fileReadBytes)) {
      hash.update(part);
      bytes += part.byteLength;
      onBytes(part.byteLength);
    }
    if (bytes === stream.fileBytes && hash.digest('hex') === stream.sha256) return;
    throw new LlmosError(
      'DATA_LOSS',
      `${join(this.path, snapshotFile(stream.name))} is not what was written: ` +
        `it has ${bytes} of ${stream.fileBytes} bytes, or others; take another backup`,
    );
  }
}

function unreadable(path: string, cause: unknown): LlmosError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const message = `${path} can't be read: ${reason}`;
  return new LlmosError('FAILED_PRECONDITION', message, { cause });
}

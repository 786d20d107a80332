/** Package files on the local disk, checked against their digest while they are read. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { isAbsolute, relative, resolve } from 'node:path';
import { LlmosError, quoteShort } from '@llmos/base';
import { SDK_LIMITS } from '../../limits';
import type { OpenPackageFile, PackageFolder } from '../../ports/package-folder';

export const filePackageFolder: PackageFolder = { open };

async function* open(of: OpenPackageFile): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let readBytes = 0;
  const path = pathInside(of);
  const options = { highWaterMark: SDK_LIMITS.uploadPieceBytes };
  try {
    for await (const piece of createReadStream(path, options)) {
      const bytes = piece as Buffer;
      hash.update(bytes);
      readBytes += bytes.byteLength;
      yield bytes;
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `file ${quoteShort(of.path)} of the package can't be read: ${reason}`;
    throw new LlmosError('FAILED_PRECONDITION', message, { cause });
  }
  const sha256 = hash.digest('hex');
  if (readBytes === of.bytes && sha256 === of.sha256) return;
  throw new LlmosError(
    'FAILED_PRECONDITION',
    `file ${quoteShort(of.path)} changed after the package was checked: ` +
      `${readBytes} bytes with sha256 ${sha256}, not ${of.bytes} bytes with ${of.sha256}`,
  );
}

/** A description is foreign: its paths may name a file that is none of the package's. */
function pathInside(of: OpenPackageFile): string {
  const folder = resolve(of.folder);
  const path = resolve(folder, of.path);
  const inside = relative(folder, path);
  if (inside !== '' && !inside.startsWith('..') && !isAbsolute(inside)) return path;
  const message = `file ${quoteShort(of.path)} lies outside of the package`;
  throw new LlmosError('INVALID_ARGUMENT', message);
}

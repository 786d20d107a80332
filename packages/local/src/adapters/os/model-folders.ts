/** The packages in a models folder, and whether one is what the registry already holds. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { LlmosError, compareIds, isModelName } from '@llmos/base';
import type { PackageFile } from '@llmos/base';
import { LOCAL_LIMITS } from '../../limits';
import type { ModelFolder } from '../../models/register-models';
import type { ReportNotice } from '../../programs/system-notice';

/**
 * Folders that look like a model package, by name.
 *
 * @param report told of each that can't be one: a link that leads nowhere, a folder that may not be
 * read, a package whose name no model can have. The others are listed all the same.
 */
export function listModelFolders(modelsFolder: string, report: ReportNotice): ModelFolder[] {
  if (!existsSync(modelsFolder)) {
    throw new LlmosError('NOT_FOUND', `the models folder ${modelsFolder} does not exist`);
  }
  const folders = namesIn(modelsFolder)
    .filter((name) => {
      const refusal = refusalOf(modelsFolder, name);
      if (typeof refusal === 'string') report({ kind: 'model-refused', name, message: refusal });
      return refusal === undefined;
    })
    .sort(compareIds);
  if (folders.length > LOCAL_LIMITS.models) {
    const counts = `${folders.length} packages, more than ${LOCAL_LIMITS.models}`;
    throw new LlmosError('OUT_OF_RANGE', `the models folder ${modelsFolder} holds ${counts}`);
  }
  return folders.map((name) => ({ name, path: join(modelsFolder, name) }));
}

function namesIn(modelsFolder: string): string[] {
  try {
    return readdirSync(modelsFolder);
  } catch (error) {
    const message = `the models folder ${modelsFolder} can’t be read: ${describeFault(error)}`;
    throw new LlmosError('FAILED_PRECONDITION', message, { cause: error });
  }
}

/** Undefined for a package, `no-package` for what is meant to be none, else what is wrong. */
function refusalOf(
  modelsFolder: string,
  name: string,
): string | { kind: 'no-package' } | undefined {
  if (name.startsWith('.')) return { kind: 'no-package' };
  try {
    if (!holdsModel(join(modelsFolder, name))) return { kind: 'no-package' };
  } catch (error) {
    return `${join(modelsFolder, name)} can’t be read: ${describeFault(error)}`;
  }
  return isModelName(name)
    ? undefined
    : 'a model’s name has letters, digits, _, - and single dots, at most 64: rename the folder';
}

function describeFault(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'it is a link that leads nowhere';
  if (code === 'ENOTDIR') return 'it is no folder';
  return code === 'EACCES' ? 'it may not be read' : message;
}

function holdsModel(folder: string): boolean {
  if (!statSync(folder).isDirectory()) return false;
  const names = [folder, join(folder, 'onnx')].flatMap((path) =>
    existsSync(path) ? readdirSync(path) : [],
  );
  return names.some((name) => name.endsWith('.onnx'));
}

/** Whether the folder holds exactly these files. Reads nothing where names or sizes differ. */
export async function holdsExactly(
  folder: string,
  expected: readonly PackageFile[],
): Promise<boolean> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !path.split('/').some((part) => part.startsWith('.')));
  const paths = new Set(names);
  if (paths.size !== expected.length) return false;
  const isSameSize = (file: PackageFile): boolean =>
    paths.has(file.path) && statSync(join(folder, file.path)).size === file.bytes;
  if (!expected.every(isSameSize)) return false;
  for (const file of expected) {
    if ((await sha256Of(join(folder, file.path))) !== file.sha256) return false;
  }
  return true;
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** The packages in a models folder, and whether one is what the registry already holds. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { LlmosError, compareIds, isModelName } from '@llmos/base';
import type { PackageFile } from '@llmos/base';
import { LOCAL_LIMITS } from '../../limits';
import type { ModelFolder } from '../../models/register-models';

/** Folders that look like a model package, by name. */
export function listModelFolders(modelsFolder: string): ModelFolder[] {
  if (!existsSync(modelsFolder)) {
    throw new LlmosError('NOT_FOUND', `the models folder ${modelsFolder} does not exist`);
  }
  const folders = readdirSync(modelsFolder)
    .filter((name) => isModelName(name) && holdsModel(join(modelsFolder, name)))
    .sort(compareIds);
  if (folders.length > LOCAL_LIMITS.models) {
    const counts = `${folders.length} packages, more than ${LOCAL_LIMITS.models}`;
    throw new LlmosError('OUT_OF_RANGE', `the models folder ${modelsFolder} holds ${counts}`);
  }
  return folders.map((name) => ({ name, path: join(modelsFolder, name) }));
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

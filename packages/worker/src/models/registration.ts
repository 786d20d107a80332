/** Reads the registration of a model as the kernel sends it. */
import type { ModelRegistration, PackageFile } from '@llmos/base';
import {
  LlmosError,
  MODEL_TASKS,
  isModelName,
  isModelVersion,
  isRecord,
  quoteShort,
} from '@llmos/base';
import { assertPackageFiles, checkPackagePath, isDigest } from './package-path';

/** Throws INVALID_ARGUMENT; the manifest is checked as far as the worker's own decisions need it. */
export function parseRegistration(json: string): ModelRegistration {
  const value = parseJson(json);
  const { name, version, digest, files, manifest } = value;
  if (!isModelName(name)) throw invalid('name', name);
  if (!isModelVersion(version)) throw invalid('version', version);
  if (!isDigest(digest)) throw invalid('digest', digest);
  if (!Array.isArray(files)) throw invalid('files', files);
  if (!files.every(isPackageFile)) throw invalid('files', 'an entry that is no file');
  assertPackageFiles(files);
  assertManifest(manifest);
  return value as unknown as ModelRegistration;
}

function parseJson(json: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new LlmosError('INVALID_ARGUMENT', 'registration: not JSON', { cause });
  }
  if (!isRecord(value)) throw invalid('value', value);
  return value;
}

function isPackageFile(value: unknown): value is PackageFile {
  return (
    isRecord(value) && typeof value['path'] === 'string' && typeof value['sha256'] === 'string'
  );
}

function assertManifest(manifest: unknown): void {
  if (!isRecord(manifest)) throw invalid('manifest', manifest);
  const { task, graph, threads } = manifest;
  if (!MODEL_TASKS.some((known) => known === task)) throw invalid('manifest.task', task);
  if (typeof graph !== 'string' || checkPackagePath(graph) !== undefined) {
    throw invalid('manifest.graph', graph);
  }
  const isCount = threads === undefined || (Number.isSafeInteger(threads) && Number(threads) > 0);
  if (!isCount) throw invalid('manifest.threads', threads);
}

function invalid(field: string, value: unknown): LlmosError {
  return new LlmosError('INVALID_ARGUMENT', `registration: ${field} is ${quoteShort(value)}`);
}

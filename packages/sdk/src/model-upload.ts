/** Adds a model package: its files to the object store, by digest, then its registration. */
import type { ModelRegistration, PackageFile, SystemCalls } from '@llmos/base';
import {
  LlmosError,
  isModelName,
  isModelVersion,
  isRecord,
  packageObjectName,
  quoteShort,
} from '@llmos/base';
import type { WaitOptions } from './call-options';
import { checkWait, invalid } from './call-options';
import type { ClientContext } from './client-context';
import { assertNotAborted, assertOpen } from './client-context';
import { SDK_LIMITS } from './limits';
import type { PackageFolder } from './ports/package-folder';
import type { PackageStore } from './ports/package-store';
import { systemCall } from './system-requests';

/** What checking a package found; see `llmos model add`. */
export type PackageDescription = Pick<
  ModelRegistration,
  'digest' | 'files' | 'manifest' | 'footprintBytes'
>;

export interface UploadProgress {
  /** File that is sent now, or was found to be there already. */
  readonly path: string;
  readonly fileBytes: number;
  /** Bytes of this file that are stored. */
  readonly sentBytes: number;
  /** Bytes of the package that are stored, of `totalBytes`. */
  readonly storedBytes: number;
  readonly totalBytes: number;
}

export interface AddModelOptions extends WaitOptions {
  readonly name: string;
  /** Default: one more than the highest number. */
  readonly version?: string;
  /** Where the files of the description lie. */
  readonly folder: string;
  readonly description: PackageDescription;
  readonly onProgress?: (progress: UploadProgress) => void;
}

export interface ModelUploadParts {
  readonly store: PackageStore;
  readonly folder: PackageFolder;
}

/**
 * Idempotent: a package that is the newest version already is not added again (`added: false`),
 * and files that are there are not sent again.
 */
export async function addModel(
  context: ClientContext,
  parts: ModelUploadParts,
  options: AddModelOptions,
): Promise<SystemCalls['model-add']['output']> {
  assertOpen(context);
  const { timeoutMs, signal } = checkWait(options, SDK_LIMITS.modelAddTimeoutMs);
  const { name, version, folder, description } = options;
  if (!isModelName(name)) throw invalid(`name ${quoteShort(name)} is no model name`);
  if (version !== undefined && !isModelVersion(version)) {
    throw invalid(`version ${quoteShort(version)} must match [A-Za-z0-9_-]{1,64}`);
  }
  if (typeof folder !== 'string') throw invalid(`folder is ${quoteShort(folder)}: no path`);
  if (!isRecord(description) || !Array.isArray(description['files'])) {
    throw invalid(`description is ${quoteShort(description)}: not that of a package`);
  }
  const { digest, files, manifest, footprintBytes } = description;
  const wanted = version === undefined ? {} : { version };
  const request = { name, ...wanted, digest, files, manifest, footprintBytes };
  const wait = { timeoutMs, ...(signal === undefined ? {} : { signal }) };
  for (let round = 1; ; round += 1) {
    await uploadFiles(context, parts, options);
    try {
      return await systemCall(context, 'model-add', request, wait);
    } catch (error) {
      // A file that no model named may have left the store since it was found there.
      const isMissing = error instanceof LlmosError && error.code === 'FAILED_PRECONDITION';
      if (!isMissing || round >= SDK_LIMITS.maxUploadRounds) throw error;
    }
  }
}

async function uploadFiles(
  context: ClientContext,
  parts: ModelUploadParts,
  options: AddModelOptions,
): Promise<void> {
  const { files } = options.description;
  const totalBytes = files.reduce((sum, file) => sum + file.bytes, 0);
  let doneBytes = 0;
  for (const file of files) {
    assertNotAborted(context, `upload of ${options.name}`, options.signal);
    const report = (sentBytes: number): void =>
      options.onProgress?.({
        path: file.path,
        fileBytes: file.bytes,
        sentBytes,
        storedBytes: doneBytes + sentBytes,
        totalBytes,
      });
    await uploadFile(parts, options, { file, report });
    report(file.bytes);
    doneBytes += file.bytes;
  }
}

async function uploadFile(
  parts: ModelUploadParts,
  options: AddModelOptions,
  of: { readonly file: PackageFile; readonly report: (sentBytes: number) => void },
): Promise<void> {
  const { path, sha256, bytes } = of.file;
  const name = packageObjectName(sha256);
  if (await parts.store.has({ name, bytes })) return;
  await parts.store.put({
    name,
    open: () => parts.folder.open({ folder: options.folder, path, sha256, bytes }),
    onSent: of.report,
    signal: options.signal,
  });
}

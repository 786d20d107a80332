/**
 * Checks a folder as a model package: reads what it is, loads it in a process of its own, runs one
 * step and measures. The package comes from strangers; whatever it does, it does to that process.
 */
import { join } from 'node:path';
import type { ModelManifest, PackageFile } from '@llmos/base';
import { CHECK_LIMITS } from '../limits';
import type { TensorSpec } from '../ports/model-runner';
import { askProgram } from './program-answer';

export interface PackageDescription {
  readonly manifest: ModelManifest;
  readonly files: readonly PackageFile[];
  /** sha256 over the sorted list of paths and file digests. */
  readonly digest: string;
  /** Memory of an OS process that holds the model, after one step. */
  readonly footprintBytes: number;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** `cpu`, `webgpu` or `cuda`. */
  readonly provider: string;
}

export interface PackageCheckOptions {
  readonly timeoutMs?: number;
  /** `cpu` unless said otherwise: what loads there loads anywhere. */
  readonly device?: string;
  /** Path of the graph inside the folder, where the folder holds several. */
  readonly graph?: string;
  readonly onProgress?: (step: string) => void;
  readonly signal?: AbortSignal;
}

/** The same folder seen from the sources and from what is built of them. */
const ENTRY = join(__dirname, '..', '..', 'dist', 'package-programs', 'package-check-main.js');

/** Rejects with the LlmosError that says what is wrong with the package. */
export function checkPackage(
  folder: string,
  options: PackageCheckOptions = {},
): Promise<PackageDescription> {
  const { timeoutMs = CHECK_LIMITS.timeoutMs, device = 'cpu', graph, onProgress, signal } = options;
  return askProgram<PackageDescription>({
    entry: ENTRY,
    request: { folder, device, ...(graph === undefined ? {} : { graph }) },
    timeoutMs,
    late: 'the package was not checked',
    process: 'the process that loaded the model',
    onProgress: ({ step }) => onProgress?.(step),
    ...(signal === undefined ? {} : { signal }),
  });
}

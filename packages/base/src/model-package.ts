/** What the registry knows of a model package: its files by digest, and how to run it. */

/** The function a package serves besides `infer`, which every package serves. */
export type ModelTask = 'embed' | 'classify' | 'extract' | 'generate' | 'infer';
export const MODEL_TASKS: readonly ModelTask[] = [
  'embed',
  'classify',
  'extract',
  'generate',
  'infer',
];

/** A pair of tensors that carries the state of a stateful model from one call to the next. */
export interface StatePair {
  readonly input: string;
  readonly output: string;
  /** Static dims of the initial, all-zero state. */
  readonly dims: readonly number[];
  readonly type: string;
}

/** `llmos.json` after everything it left out was inferred. */
export interface ModelManifest {
  readonly task: ModelTask;
  /** Path of the graph inside the package, such as `onnx/model.onnx`. */
  readonly graph: string;
  /** Longest input in tokens; absent for models without a tokenizer. */
  readonly maxTokens?: number;
  readonly pooling?: 'mean' | 'cls' | 'none';
  readonly normalize?: boolean;
  readonly state?: readonly StatePair[];
  /** Actor threads of a process. */
  readonly threads?: number;
  readonly description?: string;
}

export interface PackageFile {
  /** Relative, with `/`, without `..`. */
  readonly path: string;
  /** sha256, lower-case hex. */
  readonly sha256: string;
  readonly bytes: number;
}

/** One row of `llmos_models`, stored under `NAME/VERSION`. */
export interface ModelRegistration {
  readonly name: string;
  readonly version: string;
  /** sha256 over the sorted list of paths and file digests. */
  readonly digest: string;
  readonly files: readonly PackageFile[];
  readonly manifest: ModelManifest;
  /** Bytes that a process of this model needs, as measured when it was added. */
  readonly footprintBytes: number;
  readonly addedWallMs: number;
}

/** Name in the object store `llmos_packages` of a file with this digest. */
export function packageObjectName(sha256: string): string {
  return `sha256-${sha256}`;
}

export const BUCKETS = {
  leader: 'llmos_leader',
  models: 'llmos_models',
  functions: 'llmos_functions',
  tenants: 'llmos_tenants',
  processes: 'llmos_processes',
  attempts: 'llmos_attempts',
} as const;
export const PACKAGE_STORE = 'llmos_packages';
export const STREAMS = {
  tasks: 'LLMOS_TASKS',
  results: 'LLMOS_RESULTS',
  streams: 'LLMOS_STREAMS',
  dead: 'LLMOS_DEAD',
  events: 'LLMOS_EVENTS',
} as const;

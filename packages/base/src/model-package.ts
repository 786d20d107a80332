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

/** What every package serves, whatever its own function is: its graph on named tensors. */
export const SERVED_BY_ALL: ModelTask = 'infer';

/** The functions that a package of this task serves, its own one first. */
export function functionsServedBy(task: ModelTask): readonly ModelTask[] {
  return task === SERVED_BY_ALL ? [task] : [task, SERVED_BY_ALL];
}

/** A pair of tensors that carries the state of a stateful model from one call to the next. */
export interface StatePair {
  readonly input: string;
  readonly output: string;
  /** Static dims of the initial, all-zero state. */
  readonly dims: readonly number[];
  readonly type: string;
}

/** What the graph decides about how a model runs. */
export interface ModelTraits {
  /** `dependent`: activations are quantised over the whole batch, so rows run one at a time. */
  readonly rows: 'independent' | 'dependent';
  /** Bits of a weight: 4 and 8 in blocks that share a scale, else 8, 16, 32. */
  readonly weightBits: number;
  /** Keys and values: their element type; whether past and present are one buffer. */
  readonly kv?: { readonly type: string; readonly isShared: boolean };
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
  /** Whether its threads use one copy of the weights: less memory, slower small batches. */
  readonly sharedWeights?: boolean;
  /**
   * Computed beginnings of prompts serve every tenant. Default false: an answer that comes sooner
   * would tell one tenant what another one asked.
   */
  readonly sharedPrefixes?: boolean;
  readonly description?: string;
  /** Read from the graph, never from `llmos.json`. Absent in packages added by older versions. */
  readonly traits?: ModelTraits;
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
  answers: 'LLMOS_ANSWERS',
  streams: 'LLMOS_STREAMS',
  dead: 'LLMOS_DEAD',
  events: 'LLMOS_EVENTS',
} as const;

/** Bounds of reading a model package, each with its reason; those of storing it are the worker's. */
export const MODEL_LIMITS = {
  maxFolderDepth: 8,
  /** The largest tokenizers in use are about 35 MB of JSON. */
  maxDocumentBytes: 128 * 1024 * 1024,
  maxManifestBytes: 1024 * 1024,
  /** Names inside a graph; longer ones are damage. */
  maxGraphNameBytes: 64 * 1024,
  maxGraphDepth: 16,
  /** Weights inside a graph; more are copied into a file that the runtime maps. */
  maxInMemoryBytes: 64 * 1024 * 1024,
  maxContextTokens: 1_048_576,
  maxThreads: 64,
  /** Context of a model whose files do not say it. */
  defaultMaxTokens: 512,
} as const;

/** Bounds of model packages, each with its reason. */
export const PACKAGE_LIMITS = {
  /** A package is one model; a folder with more files is something else. */
  maxFiles: 4096,
  maxFolderDepth: 8,
  maxPathChars: 512,
  /** The largest tokenizers in use are about 35 MB of JSON. */
  maxDocumentBytes: 128 * 1024 * 1024,
  maxManifestBytes: 1024 * 1024,
  /** Names inside a graph; longer ones are damage. */
  maxGraphNameBytes: 64 * 1024,
  maxGraphDepth: 16,
  maxContextTokens: 1_048_576,
  maxThreads: 64,
  /** Context of a model whose files do not say it. */
  defaultMaxTokens: 512,
} as const;

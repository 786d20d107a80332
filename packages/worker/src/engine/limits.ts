/** Bounds of one step, each with its reason. */
export const ENGINE_LIMITS = {
  /** Larger bodies travel by reference and are read elsewhere; a thread never parses more. */
  maxBodyBytes: 64 * 1024 * 1024,
  /** Deeper JSON is an attack on the stack of whoever walks it. */
  maxBodyDepth: 128,
  /** Rows and tokens of one encoder run: beyond these a run takes long without more throughput. */
  maxBatchRows: 32,
  maxBatchTokens: 4096,
  /** States of a stateful model that one process keeps; the least recently used go first. */
  maxStateKeys: 10_000,
  maxStateBytes: 256 * 1024 * 1024,
  /** Elements of one tensor: 1 GB of float32. */
  maxTensorElements: 268_435_456,
  maxTensorRank: 16,
  /** Logits of a prefill are tokens × vocabulary; a cancel is heard between chunks. */
  prefillChunkTokens: 256,
  /** Memory that one sequence may reserve for its keys and values. */
  maxKvBytes: 4 * 1024 * 1024 * 1024,
} as const;

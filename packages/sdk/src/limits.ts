/** Bounds of the client library; every one has its reason. */
export const SDK_LIMITS = {
  /** A call, a system call, handing a task in: longer than a model takes to load. */
  defaultTimeoutMs: 60_000,
  /** Reaching the server when `connect` was called: longer is no server, not a slow one. */
  connectTimeoutMs: 10_000,
  /** A half-open connection is found out after three of these. */
  pingIntervalMs: 3_000,
  /** Then what was written may leave still, as over a slow line; longer is a server that stands. */
  staleFlushMs: 20_000,
  reconnectWaitMs: 250,
  /** One try of it: where a server has just gone, nobody may answer at its address. */
  reconnectTryMs: 2_000,
  /** `close()` gives the server this long to take what was written. */
  closeTimeoutMs: 5_000,
  /** Requests without an answer yet; beyond, a client holds work that the system should hold. */
  maxPendingRequests: 65_536,
  /** Nothing is asked again with less time left than an answer takes. */
  shortestAttemptMs: 20,
  /** A generation shows that it advances, so its reader waits longer than the reader of a call. */
  streamTimeoutMs: 10 * 60_000,
  /** No task outlives this, so no one waits longer for its result. */
  resultWaitMs: 12 * 60 * 60_000,
  /** One look at a stored message. */
  readTimeoutMs: 3_000,
  /** `cancel()` asks again until the result is there; a change of leaders takes about 5 s. */
  cancelWaitMs: 30_000,
  /** Answers "try again in …" followed for the caller; a busier system is the caller's decision. */
  maxBusyRetries: 4,
  /** Chunks held for a slow reader; beyond, new text joins the last of them. */
  maxBufferedChunks: 256,
  /** Chunks that wait for an earlier one; beyond, they are read from the stream again. */
  maxEarlyChunks: 1_024,
  /** The same by size: a chunk may have a megabyte. */
  maxEarlyChunkBytes: 4 * 1024 * 1024,
  /** Stored chunks read to close one gap: more than the longest generation has. */
  maxRecoveredChunks: 1_000_000,
  /** Pieces of a model file: below every max_payload in use, large enough to keep the disk busy. */
  uploadPieceBytes: 256 * 1024,
  /** Pieces on their way at once: 4 MiB, whatever the size of the file. */
  maxPiecesInFlight: 16,
  uploadAckMs: 30_000,
  maxUploadAttempts: 5,
  /** Looks for missing files before `addModel` fails: one may leave the store between two. */
  maxUploadRounds: 3,
  /** Events looked at where no number is given: a screen or two. */
  defaultEvents: 100,
  /** The kernel says something each 10 s: three times without a word, and it is asked again. */
  attachSilenceMs: 30_000,
  /** Results that came before all their tokens: the tokens in between are asked for again. */
  maxEarlyEnds: 8,
  /** Dead letters looked through: one read each, so a few seconds. */
  maxDeadLetters: 10_000,
  /** A server removes about a million small messages in this time. */
  purgeTimeoutMs: 60_000,
  /** Younger results are not pruned: that of a task that has just ended is still asked for. */
  leastPruneAgeMs: 60_000,
  /** Looks at a stream that can't be read before whoever walks through it is told. */
  maxFruitlessReads: 5,
  /** Rows of a list of a system call: more than any kernel keeps. */
  maxListedRows: 100_000,
  /** Registering a model checks that every file is there. */
  modelAddTimeoutMs: 5 * 60_000,
} as const;

/** No kernel answers: it starts, or the leader changes. */
export const UNANSWERED_BACKOFF = { firstMs: 50, factor: 2, maxMs: 1_000 } as const;

/** How long one attempt waits before the same request, with the same id, is sent again. */
export const PATIENCE = { firstMs: 5_000, factor: 2, maxMs: 30_000 } as const;

/** Looks at a result that nobody announced: a safety net, so seldom. */
export const QUIET_LOOK_BACKOFF = { firstMs: 1_000, factor: 2, maxMs: 10_000 } as const;

/** Looks at a result that was just announced and may not be readable yet. */
export const ANNOUNCED_LOOK_BACKOFF = { firstMs: 2, factor: 2, maxMs: 2_000 } as const;

/** Looks at stored chunks while an earlier one is missing. */
export const GAP_BACKOFF = { firstMs: 20, factor: 2, maxMs: 2_000 } as const;

/** A file whose pieces were not all acknowledged is sent again. */
export const UPLOAD_BACKOFF = { firstMs: 500, factor: 2, maxMs: 4_000 } as const;

export const CANCEL_BACKOFF = { firstMs: 500, factor: 2, maxMs: 5_000 } as const;

/** Looks for stored messages that nobody announced, while following a stream. */
export const FOLLOW_BACKOFF = { firstMs: 20, factor: 2, maxMs: 2_000 } as const;

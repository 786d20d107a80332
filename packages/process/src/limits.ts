/** Bounds of one process, each with its reason. */
export const PROCESS_LIMITS = {
  /** A heartbeat names every running attempt, and must fit one message of 1 MiB. */
  maxPermits: 1024,
  /** Attempts accepted beyond the permits: a new leader may count differently for a moment. */
  mailboxSpare: 64,
  /** Ends that no leader confirmed; the oldest is dropped, and found by its absence in heartbeats. */
  maxUnconfirmed: 4096,
  /** Confirmed ends remembered, so that a late execute does not run an attempt again. */
  maxConfirmed: 4096,
  /** Entries of one report, so that it fits one message whatever the ids' lengths. */
  maxReportEntries: 512,
  heartbeatMs: 1000,
  /** An acceptance waits for more to report, often the end itself; leaders wait for it a second. */
  acceptedWaitMs: 10,
  /** How often unconfirmed ends are looked at. */
  resendTickMs: 100,
  /** A leader confirms within milliseconds; a new one needs seconds to be elected. */
  resend: { firstMs: 300, factor: 2, maxMs: 5000 },
  /** JetStream unreachable or full: quick at first, then gentle. */
  storeRetry: { firstMs: 50, factor: 2, maxMs: 5000 },
  /** One request to JetStream; a server that fails over answers within seconds or not at all. */
  storeTimeoutMs: 5000,
  /** Other attempts that get between two chunks; more means a fight that no one should win. */
  maxChunkRefusals: 16,
  /** Tokens that wait while a chunk is on its way are sent together, at most this many. */
  maxChunkTokens: 512,
  maxChunkBytes: 256 * 1024,
  /** Between two chunks of a stream, for each stream that runs: at most 500 chunks a second. */
  chunkMs: 2,
  mostChunkMs: 1000,
  /** A reader should not wait longer for the next words, however many streams run. */
  maxChunkWaitMs: 250,
  /** Pieces of a stream that wait for JetStream; beyond it, they are joined to full chunks. */
  maxPendingPieces: 256,
  /** What is kept of a generation that was given back; a longer one begins again. */
  maxKeptBytes: 768 * 1024,
  /** Chunks in one read of a stream: between two reads an attempt hears that it must stop. */
  chunkPage: 1000,
  /** The same by size: a stored chunk may have a megabyte, and many attempts may read at once. */
  chunkPageBytes: 2 * 1024 * 1024,
  /** Chunks and tokens read to resume one generation: a token each of the most, and an end. */
  maxStoredChunks: 1_000_001,
  /** Between two readings of the leader's record, whatever epochs messages carry. */
  epochLookMs: 250,
  /** A message of another epoch waits for it; its sender repeats what was not accepted. */
  epochReadMs: 2000,
  /** Messages that wait for the leader's record; their senders repeat the rest. */
  maxUnverified: 1024,
  /** Between two log lines about messages that were refused for their epoch. */
  refusalLogMs: 1000,
  /** Bytes that headers of our own add to a result or chunk. */
  headerReserveBytes: 4096,
} as const;

/** Bounds of the command; every one has its reason. */
export const CLI_LIMITS = {
  /** Pruning a store of a million results takes some seconds. */
  pruneMs: 5 * 60_000,
  /** System calls: longer than a kernel takes to replace one that died, short for who waits. */
  systemCallMs: 15_000,
  /** After Ctrl-C: long enough for a cancellation to be sent. */
  interruptGraceMs: 1_000,
  /** Beyond it, stdin is not the input of a task: the wire's limit is smaller still. */
  stdinBytes: 64 * 1024 * 1024,
  /** Before a terminal says what is waited for: an answer of a loaded model usually takes less. */
  waitQuietMs: 700,
  /** How often it looks whether a model is being loaded. */
  waitLookMs: 500,
  /** How often a log that is followed is looked at. */
  logLookMs: 200,
  /** Labels, entities and vectors beyond this many are counted, not listed. */
  shownRows: 20,
  /** Numbers shown of a vector. */
  shownValues: 6,
  /** Of a column of text, however narrow the terminal is. */
  leastTextWidth: 30,
  /** Nodes and processes that `status` lists, so that it stays one screen. */
  statusRows: 12,
  /** Letters of an error in the list of dead letters; `dead show` has all of them. */
  shownErrorChars: 80,
  /** A system call of `doctor`: longer than a kernel takes to replace one that died (about 5 s). */
  doctorCallMs: 8_000,
  /** The way round of its task; nothing is loaded for it. */
  doctorTripMs: 15_000,
  /** Between two looks at the streams: their growth over less is chance. */
  doctorRateMs: 2_000,
  /** `npm --version` on a busy machine. */
  npmMs: 20_000,
  /** The batch of the tour takes seconds; a system that is stuck must not hang it. */
  tourBatchMs: 120_000,
  /** Looks of the tour until its processes are at rest, and the time between two. */
  tourLooks: 20,
  tourLookMs: 50,
  /** Streams of a backup: llmos has 13. */
  backupStreams: 64,
  /** Of a backup's list of streams: a thousand times what it has. */
  manifestBytes: 16 * 1024 * 1024,
  /** Read at once where files are compared. */
  fileReadBytes: 1024 * 1024,
  /** Parts of a snapshot: NATS takes 1 MB in one message, and is acknowledged after each. */
  snapshotPartBytes: 128 * 1024,
  /** Between two parts: a server that first sorts gigabytes is silent for a while. */
  snapshotSilenceMs: 120_000,
  /** Answer to a part of a restore, written to the server's disk. */
  restorePartMs: 60_000,
  /** Answer to its end: the server reads the whole stream then. */
  restoreEndMs: 600_000,
  /** One request to the NATS server. */
  natsRequestMs: 10_000,
  /** Until servers that were just started have chosen who leads. */
  jetstreamWaitMs: 60_000,
  /** Between two looks at the server. */
  serverLookMs: 200,
  /** A leader renews its lease of 5 s well within it. */
  leaseLookMs: 6_000,
  /** Rounds over streams that still take something in; a stopped system needs two. */
  backupRounds: 5,
  /** Until the servers of a cluster know each other; where one stays away, there are fewer replicas. */
  clusterWaitMs: 20_000,
  /** Of the stream that asks how many servers take one: fits any that is of use. */
  probeBytes: 1024 * 1024,
  /** Until a restored stream shows in a cluster. */
  streamWaitMs: 60_000,
  /** Until each server has all of a stream of gigabytes. */
  replicaWaitMs: 1_800_000,
  /** Halvings of the room asked for, to say within 1 % what is missing. */
  roomSteps: 7,
} as const;

/** Bounds of the command; every one has its reason. */
export const CLI_LIMITS = {
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
  /** `npm --version` on a busy machine. */
  npmMs: 20_000,
  /** The batch of the tour takes seconds; a system that is stuck must not hang it. */
  tourBatchMs: 120_000,
  /** Looks of the tour until its processes are at rest, and the time between two. */
  tourLooks: 20,
  tourLookMs: 50,
} as const;

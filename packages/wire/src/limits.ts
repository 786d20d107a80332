/** Bounds of what is written to and believed of another program, each with its reason. */
export const CODEC_LIMITS = {
  /** An error message inside a report; the committed result holds the complete one. */
  maxReportedMessageChars: 512,
  /** A foreign text that goes into logs and answers is cut here. */
  maxForeignTextChars: 2_048,
  /** More than any task may have: host deaths and preemptions count on top of a hundred retries. */
  mostAttempts: 10_000,

  // What a node says of itself.
  maxDevices: 64,
  /** Providers, versions and labels. */
  maxNodeEntries: 64,
  /** More than a worker starts. */
  maxNodeProcesses: 1_024,
  /** A number beyond it is no count of cores, or of permits. */
  maxCores: 65_536,
  maxPermits: 65_536,

  // What a leader may ask a node for.
  leastHeartbeatMs: 100,
  mostHeartbeatMs: 60_000,
  mostGraceMs: 10 * 60_000,
} as const;

/** The connection of a kernel or worker to NATS. */
export const LINK_LIMITS = {
  /** One try: where a server has just gone, nobody may answer at its address. */
  connectTryMs: 2_000,
  /** A reconnect soon enough to keep the lease; the client adds jitter. */
  reconnectWaitMs: 250,
  /** A server that hangs is found after three of these: after about as long as a lease. */
  pingIntervalMs: 2_000,
  /** Unanswered ones before the connection is made anew. */
  maxPingsOut: 2,
  /** Of a server that is silent: within a data centre what was written leaves at once, or never. */
  staleFlushMs: 1_000,
  /** A last word to a server that may be away: what it has not by then, it never gets. */
  closeFlushMs: 500,
} as const;

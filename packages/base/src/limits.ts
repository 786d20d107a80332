/** Bounds of the wire contract; every one has its reason. Each program adds its own `limits.ts`. */
export const WIRE_LIMITS = {
  /** Headers grow on the way (attempt, history, trace), so a body must leave this much room. */
  bodyReserveBytes: 64 * 1024,
  /** Headers of a request: JetStream stores no more with a task, and each costs time to decode. */
  maxHeaderBytes: 64 * 1024,
  /** The kernel reads no more than this of a body; a larger one names its model in a header. */
  kernelParseBytes: 64 * 1024,
  defaultAttempts: 3,
  maxAttempts: 100,
  /** A task may not outlive its result: at most half of the time results are kept. */
  resultMaxAgeMs: 24 * 60 * 60 * 1000,
  maxTimeoutMs: 12 * 60 * 60 * 1000,
  /**
   * How long the result of a `call` is kept whose id nobody chose: its repeats come within seconds,
   * and 24 h for each filled 8 GiB in 18 minutes. Also what one task of a short-lived result lives.
   */
  answerKeepMs: 2 * 60 * 1000,
  /** Kept a little longer: for a reader that comes in the last moment, and for two clocks. */
  answerMaxAgeMs: 150 * 1000,
  /** A `call` without a deadline of its own: no one waits longer for an interactive answer. */
  defaultCallTimeoutMs: 60_000,
  /** Chunks serve readers of running generations and those that come back soon after. */
  streamMaxAgeMs: 60 * 60 * 1000,
  eventMaxAgeMs: 24 * 60 * 60 * 1000,
  /** A system has less than twenty. */
  maxNotedStores: 256,
  /** Texts of one embed, classify or extract call. */
  maxTexts: 1024,
  /** Samples of one prompt: beyond these, further calls share its prefill just as well. */
  maxSamples: 32,
  /** Alternatives listed for each token; as many as other servers of language models list. */
  maxTopLogprobs: 20,
  /** Tokens that one `generate` call may bias or stop at: each is looked at for every token. */
  maxTokenRules: 1024,
  /** A name or a quoted value in an error message. */
  maxQuotedChars: 80,
} as const;

/** What the reader of a generation holds of it, whatever it says (see given-text.ts). */
export const CHUNK_LIMITS = {
  /** A host joins at most so many tokens to a chunk, so one cut differently begins no earlier. */
  keptPieces: 512,
  /** The same by its text: a joined chunk has at most 256 KiB, counted as 4 bytes a character. */
  keptChars: 64 * 1024,
} as const;

/** How the clock of the NATS server is measured (see server-time.ts). */
export const CLOCK_LIMITS = {
  /** Machines that keep time differ by less; what is beyond is said, and not trusted for the past. */
  trustMs: 5_000,
  /** A change of the server's clock beyond it is a jump, below it drift, which is followed. */
  jumpMs: 1_000,
  /** A stamp that came late is wrong by its delay; one of so many came in time. */
  samples: 8,
  /** The lease is renewed, and so stamped, about every 2 s. */
  staleMs: 30_000,
  /** Stamps of before that many jumps are measured by the oldest that is remembered. */
  maxEras: 16,
} as const;

/** What can't be read is left out, and told of within bounds. */
export const GUARD_LIMITS = {
  /** Between two lines about messages that were left out: who causes them must not fill the log. */
  lostLogMs: 10_000,
  /** Of a foreign subject, and of a reason, in a line of the log. */
  maxTextChars: 256,
  /** Larger headers count as unreadable: JetStream stores 64 KiB, and adds its own to an answer. */
  maxHeaderBytes: 128 * 1024,
  /** Of the server about a bucket; after three without a word it is watched anew. */
  bucketHeartbeatMs: 2_000,
  /** One request about a bucket; shorter than a lease, so that a stuck one is repeated in time. */
  bucketRequestMs: 3_000,
  /** Rows of one bucket, which stay in memory: 10,000 models of 6 KiB. */
  maxBucketBytes: 64 * 1024 * 1024,
  /** A watch of a bucket that broke or could not begin begins again after this. */
  bucketRetryMs: 500,
  /** The server drops the consumer of a watch that nobody listens to. */
  bucketConsumerIdleMs: 30_000,
} as const;

/** Bounds of the worker, each with its reason. */
const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

export const AGENT_LIMITS = {
  /** Model packages on disk, unless configured. */
  defaultCacheBytes: 20 * GIB,
  /** Processes that one node runs; the kernel's placement stays far below. */
  maxProcesses: 256,
  /** Ends that a leader elected later still has to hear of. */
  maxRememberedExits: 64,
  /** Probing creates a GPU device in a child, which a broken driver can hang. */
  deviceProbeMs: 30_000,
  nvidiaSmiMs: 5000,
  maxProbeOutputBytes: 64 * KIB,
  maxGpus: 32,
  maxLabels: 32,
  maxLabelChars: 63,
  /** A leader that does not answer a registration in this time is no leader. */
  welcomeMs: 5000,
  attachRetry: { firstMs: 100, factor: 2, maxMs: 3000 },
  /** A registration with thousands of files stays below. */
  maxGrpcMessageBytes: 8 * MIB,
  keepaliveMs: 5000,
  keepaliveTimeoutMs: 4000,
  /** Beyond the grace of a stop: time to release sessions and leave. */
  hostExitMs: 3000,
  /** From spawn to the first message of a host; loading has its own limit. */
  hostBootMs: 60_000,
  /** Reading gigabytes and building sessions on a slow disk. */
  hostLoadMs: 15 * 60_000,
  /** When the agent itself stops. */
  ownStopGraceMs: 2000,
  /** All of the agent's own stop; hosts that then still hang end by themselves. */
  ownStopMs: 8000,
  /** A kernel that is asked to end a stream has read what was sent before in less. */
  lineCloseMs: 500,
  /** Of the HTTP port; beyond, a new one takes the place of the one that has waited longest. */
  httpConnections: 64,
  /** A client that sends or takes nothing for this long makes room for others. */
  httpIdleMs: 10_000,
  /** What a host writes, passed on to the agent's own stderr. */
  hostLineChars: 4 * KIB,
  hostLinesPerSecond: 200,
  /** The end of a host's output, kept to explain a crash. */
  hostTailChars: 2 * KIB,
  /** The last words of a host that ended may still be on their way. */
  hostOutputMs: 500,
  /** Share of the node's memory that one host may take beyond what it took to get ready. */
  growthShare: 0.25,
  /** And at least this much, on a small node: for requests, answers and a batch of long texts. */
  leastGrowthBytes: 512 * MIB,
  /** Of that growth, for the JavaScript of one thread: it ends before the process must. */
  threadHeapShare: 0.75,
  /** More than the largest body, decoded. */
  mostThreadHeapBytes: 2 * GIB,
  /** `prlimit` answers at once. */
  memoryBoundMs: 5000,
  /** Why a process ended: all the ends that are remembered fit one registration. */
  exitMessageChars: 2 * KIB,
  /** Progress of a download is told at most this often. */
  progressMs: 500,
} as const;

export const PACKAGE_LIMITS = {
  maxFiles: 2000,
  maxPathChars: 512,
  maxFileBytes: 64 * GIB,
  /** Someone else on this machine may just be loading a package that was used this recently. */
  keepUnusedMs: 60_000,
  /** A draft this old belongs to a program that died. */
  staleDraftMs: 60 * 60_000,
  /** One piece of a file: a request to JetStream. */
  readTimeoutMs: 10_000,
  readTries: 5,
  readRetry: { firstMs: 200, factor: 2, maxMs: 3000 },
} as const;

/** Of a check of a package, `llmos model add` and `llmos up`. */
export const CHECK_LIMITS = {
  /** Hashing gigabytes, loading them and one step, on a slow disk. */
  timeoutMs: 10 * 60_000,
  /** The limit above is the one that counts; these only keep a hung thread from living on. */
  cancelAnswerMs: 60_000,
  stepMs: 30 * 60_000,
  closeMs: 2000,
  /** A description of the largest package allowed stays below. */
  maxAnswerChars: 16 * MIB,
} as const;

/** Of `llmos model quantize`. */
export const QUANTIZE_LIMITS = {
  /** A model of 2 GB takes about two minutes on two cores. */
  timeoutMs: 60 * 60_000,
  /** Weights that share a scale. */
  blockSize: 32,
  /** Length of the difference of the outputs over that of the original's: more is another model. */
  error8: 0.05,
  error4: 0.3,
  /** Runs to measure the speed with one number of rows, at most, and about how long they take. */
  speedRounds: 50,
  speedMs: 2000,
} as const;

export const HOST_LIMITS = {
  /** More threads than this gain nothing: each has its own session and memory. */
  maxThreads: 16,
  defaultBatchThreads: 2,
  /** Of a model: another copy of its weights, for what is quick alone, is worth no more memory. */
  quickModelBytes: 128 * MIB,
  /** Of threads that run models: the program around them, and what is quick, goes first. */
  modelNiceness: 10,
  /** Enough waits to fill the next batches while these run. */
  batchPermits: 64,
  tensorPermits: 32,
  /** A permit comes back a moment after the answer: enough that callers do not wait for it. */
  echoPermits: 256,
  /** A core for each so many bytes of a decoder: with fewer, cores wait for each other more than they help. */
  generateCoreBytes: 8 * MIB,
  /** Generations that share each run of the model: more raise its throughput little on a CPU. */
  generateRows: 16,
  /** Those that wait for a row here, so that a free one is filled at once and an urgent one heard. */
  spareGeneratePermits: 16,
  /** Host memory for the keys and values of generations that lost their row. */
  savedContextBytes: 256 * MIB,
  /** Host memory for those of prompts that others may begin with. */
  prefixBytes: 128 * MIB,
  /** A thread that ignores a cancel this long hangs: one step of the largest model is shorter. */
  cancelAnswerMs: 30_000,
  /** No sign of life in one step. */
  batchStepMs: 5 * 60_000,
  generateStepMs: 5 * 60_000,
  /** Releasing sessions when the host stops. */
  threadCloseMs: 2000,
  /** A host that leaves lets its other threads finish what they run, at most so long. */
  leaveMs: 10_000,
  /** A host that crashes says so first; its channel may be as broken as the rest. */
  crashMs: 500,
  countsMs: 2000,
} as const;

export const BATCH_LIMITS = {
  /** More rows no longer raise the throughput of an encoder on a CPU, and answers come later. */
  batch: { maxRequests: 8, maxBytes: 128 * KIB },
  /** A GPU has room for more in the same time. */
  deviceBatch: { maxRequests: 32, maxBytes: 128 * KIB },
  /** One run each: few at a time, so that an urgent one does not wait behind many. */
  tensor: { maxRequests: 4, maxBytes: 4 * MIB },
  generate: { maxRequests: 1, maxBytes: Infinity },
  /** Of a body, some 500 tokens: what is quick waits for nothing that takes longer. */
  quickBytes: 2 * KIB,
  /** Quick ones that run together: the next one waits for these. */
  quick: { maxRequests: 8, maxBytes: 4 * KIB },
  /** How long a request may wait for mates while a thread is idle. */
  waitMs: { interactive: 0, standard: 1, batch: 4 },
  /** Padding wastes what is shorter: mates are at most this much longer or shorter. */
  lengthRatio: 2,
  /** Below this length padding costs nothing worth a split. */
  lengthFloorBytes: 512,
} as const;

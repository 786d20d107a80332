/** Bounds of a system on one machine; every one has its reason. */
export const LOCAL_LIMITS = {
  /** Opening a large JetStream store takes a server seconds, never this long on one machine. */
  natsReadyMs: 30_000,
  /** `nats-server --version` answers in milliseconds; a program of another kind may hang. */
  versionProbeMs: 20_000,
  /** What `apt-get` and the like may write; it is quoted where they fail. */
  commandOutputBytes: 1024 * 1024,
  /** A NATS server greets at once whoever connects. */
  natsProbeMs: 2_000,
  /** Between two looks at a server that starts. */
  natsProbeRetryMs: 50,
  /** The greeting of a server with many cluster addresses is a few kilobytes. */
  natsGreetingBytes: 64 * 1024,
  /** One `apt-get` run: package lists over a slow line. */
  installStepMs: 180_000,
  /** A program connects, creates streams and probes devices; the first start reads cold files. */
  programReadyMs: 60_000,
  /** Longer than the grace that programs give their own work. */
  programStopMs: 10_000,
  /** After SIGKILL the operating system needs no more than this to reap. */
  programReapMs: 5_000,
  /** A NATS server writes its streams out in less; the group is killed after it. */
  natsStopMs: 8_000,
  /** A program that was up this long starts its backoff anew when it dies. */
  steadyMs: 60_000,
  /** A worker probes its devices, then attaches; the kernel may still be taking the lease. */
  nodesAttachMs: 45_000,
  nodesPollMs: 50,
  /** As a kernel has it: the streams of a system, unless the disk has less room or a setting says so. */
  streamBytes: 8 * 1024 ** 3,
  /** As a kernel has it: below this no system is begun. */
  leastStreamBytes: 64 * 1024 * 1024,
  /** Of the room on the disk, unless a setting says so; the rest is for models and for others. */
  streamShare: 0.7,
  /** Kept out of the streams: the shipped models twice (store and cache), buckets, logs. */
  otherBytes: 192 * 1024 * 1024,
  /** A server writes a few megabytes of state when it starts, and programs their logs. */
  startBytes: 16 * 1024 * 1024,
  /** A disk fills in minutes; asking costs nothing. */
  diskCheckMs: 1_000,
  /** With less, said early: at the rate of a busy system it is full within minutes. */
  shortBytes: 512 * 1024 * 1024,
  /** With less, a server may have failed to write already. */
  fullBytes: 8 * 1024 * 1024,
  /** So much more must be free until a level is over: a disk on the edge is told of once. */
  roomAgainFactor: 2,
  /** Free ports tried before giving up: someone else may take each between choice and use. */
  portTries: 5,
  /** A program's log; the older half is kept once beside it. */
  logBytes: 16 * 1024 * 1024,
  logCheckMs: 30_000,
  /** Lines of a program's log quoted where it failed to start. */
  quotedLogLines: 4,
  /** What is read of a log's end to find those lines. */
  quotedLogBytes: 16 * 1024,
  /** The longest refusal of a kernel names each of its stores and the ways out. */
  quotedLogChars: 1_200,
  /** What one look at a growing log takes in; a program that writes faster is read in pieces. */
  logPieceBytes: 256 * 1024,
  kernels: 9,
  workers: 64,
  /** Packages in the models folder. */
  models: 1_000,
} as const;

/** A program that dies is started again after this. */
export const RESTART_BACKOFF = { firstMs: 500, factor: 2, maxMs: 15_000 } as const;

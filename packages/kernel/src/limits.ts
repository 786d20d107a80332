/** Bounds of the kernel's core; every one has its reason. Adapters keep their own beside them. */
import type { BackoffPolicy } from '@llmos/base';

const MIB = 1024 * 1024;

export const CORE_LIMITS = {
  /** A task costs up to about 1 kB here: half a million stay well below 1 GB. */
  maxTasks: 500_000,
  // What is counted for a task that waits, in the heap: somewhat more than was measured.
  /** Without headers, with the message that is held for it. */
  heldTaskBytes: 1_200,
  /** Beside the characters of a text that it has for itself. */
  heldTextBytes: 56,
  /** For its place in a family or among those of its caller: the most, where these are two. */
  heldIndexBytes: 112,
  /** For its line of a key, beside the names: the most, where it is alone in it. */
  heldKeyBytes: 376,
  /** For a model that it names, beside the names. */
  heldModelBytes: 160,
  /** No tenant may fill the whole table. */
  maxTasksPerTenant: 200_000,
  /** Results of the kernel's own that are asked for and not answered; further ends wait. */
  maxOpenCommits: 2_048,
  /** Look-ups of results that are asked for and not answered; further ones wait. */
  maxOpenLookUps: 2_048,
  /** Those further ends; beyond, a mass that is to end stays as it is until there is room. */
  maxWaitingCommits: 4_096,
  /** Tasks of a mass (released, rerouted, cancelled, expired, failed together) in one tick. */
  maxSweptPerTick: 1_024,
  /** Targets short of a process that are judged in one tick; the others in the next ones. */
  maxJudgedPerTick: 64,
  /** Tasks looked at in one tick to find those. */
  maxLooksPerTick: 65_536,
  /** Families to cancel that wait, beyond twice those there are; then the empty ones are dropped. */
  spareCancelWalks: 1_024,
  /** Of a store of tasks or results: beyond it, a tenant that has its share stores no more. */
  nearlyFullShare: 0.75,
  /** The share of a store that one tenant may have while it is nearly full. */
  tenantStoreShare: 0.5,
  /** Beside its body: what a stored task or result takes (subject, headers, the server's record). */
  storedOverheadBytes: 256,
  /** What a client over its limit is told; long enough for a few thousand tasks to end. */
  retryAfterMs: 1_000,
  /** Ends of ids that were cancelled before they came in, asked for and not answered: in all. */
  maxEarlyCancels: 256,
  /** Those of one tenant; an end beyond is remembered, and not stored. */
  maxEarlyCancelsPerTenant: 64,
  /** Cancelled ids that are remembered for what comes in later; each tenant has its share. */
  maxCancelledIds: 10_000,
  /** Ids of tasks that ended lately, which no message can have made anew; seconds of a full load. */
  maxEndedIds: 16_384,
  /** Keys whose process is remembered; a forgotten key may go anywhere. */
  maxKeyAffinities: 100_000,
  maxNodes: 1_000,
  maxProcesses: 10_000,
  /** Of one process; a host that claims more gets this many. */
  maxPermits: 4_096,
  /** A process with fewer gives all of its permits to any class: one is a large part of them. */
  leastSharedPermits: 4,
  /** Of a process's permits, left to interactive tasks: they don't wait for long ones. */
  standardKeptShare: 1 / 16,
  /** Of a process's permits, left by batch to the classes above it. */
  batchKeptShare: 1 / 8,
  /** A process with fewer gives all of its permits to any tenant: one is a large part of them. */
  leastTenantPermits: 16,
  /** Of a process's permits, left by each tenant to the others: they don't wait for its long ones. */
  tenantKeptShare: 1 / 16,
  maxReplicas: 256,
  /** Remembered failures, one a target and node; a forgotten one is tried once more. */
  maxFaults: 10_000,
  /** Rows of ended processes that `ps` still shows. */
  maxExitedRows: 100,
  exitedRowMs: 5 * 60_000,
  /** Rows of lost nodes that `nodes` still shows. */
  lostNodeRowMs: 10 * 60_000,
  /** Blocked models that `info` lists, those with most waiting first: the answer stays small. */
  maxBlockedRows: 100,
  /** Faults that a row of `nodes` lists, the latest ones. */
  maxFaultRows: 10,
  /** Models with metrics of their own, those with most waiting first; the others are one together. */
  maxModelRows: 200,
  /** Tasks ahead of one that `status` counts; behind more, their number says nothing. */
  maxCountedAhead: 10_000,
  /** Targets whose time of service is remembered: as many as there may be processes. */
  maxServiceTimes: 10_000,
  /** Attempts that their mean follows: some more than a process runs at once. */
  serviceWindow: 64,
  /** Attempts that run, whose ages an estimate looks at while few have ended. */
  maxCountedRunning: 1_000,
  /** With fewer measured there is no estimate: one attempt says little of the next. */
  leastServices: 3,
  /** For so long what was measured counts: by then the work, or the machine, may be another. */
  serviceMemoryMs: 10 * 60_000,
  /** An estimate beyond says nothing, and is not given. */
  maxEstimateMs: 24 * 60 * 60_000,
  /** Names listed in an error message. */
  maxListedNames: 10,
  /** An OS process of Node that runs no model. */
  programFootprintBytes: 64 * MIB,
  /** Measured growth of a process moves the ledger in such steps: less comes and goes by itself. */
  growthStepBytes: 32 * MIB,
  /** Of a message that came from outside, in an error or an event. */
  maxMessageChars: 500,
  /** Failed attempts that a task remembers for its dead letter: a header must stay small. */
  maxFailures: 8,
  /** Of the message of one of them. */
  maxFailureChars: 200,
  /** So often is a task asked to make room for urgent ones; from then on it is left to run. */
  maxPreemptions: 8,
  /** So often may a process give a task back unasked; from then on it counts as a failure. */
  maxUnaskedReturns: 32,
  /** Crashes of hosts that load, in a row on one node: nearly a minute of them is no short fault. */
  maxLoadCrashes: 10,
  /** Tenants whose costs are told apart, as labels of metrics; the further ones share a row. */
  maxCostTenants: 1_000,
  /** No machine gives one attempt more: what a process says beyond it is not believed. */
  maxChargedCores: 1_024,
  /** Of one attempt: a thousand times what the longest prompts have. */
  maxChargedTokens: 1_000_000_000,
  /** Running attempts that one heartbeat may name; the rest wait for the next. */
  maxReportedAttempts: 8_192,
  /** Heartbeats that don't name an attempt: one may be late, or was sent before it came. */
  missedBeforeResend: 2,
  /** After the last old task came in: what a process names then, and nobody knows, is an orphan. */
  intakeQuietMs: 2_000,
  /** An agent that was lost and does not say within this that a process ended, has none. */
  leftBehindMs: 10_000,
  /** It is told of its leader with each heartbeat meanwhile; then it is replaced. */
  deafMs: 10_000,
  /** Heartbeats in which it obeyed another epoch: a machine that stood still sends few. */
  deafBeats: 5,
} as const;

/** Retries of a task: soon for a hiccup, and no busy loop for what stays broken. */
export const RETRY_BACKOFF: BackoffPolicy = { firstMs: 200, factor: 2, maxMs: 10_000 };
/** Starts of a target on a node that failed it; a load may fetch and read gigabytes each time. */
export const RESTART_BACKOFF: BackoffPolicy = { firstMs: 100, factor: 2, maxMs: 30_000 };
/** Repeats of an execute message that is not accepted yet. */
export const EXECUTE_BACKOFF: BackoffPolicy = { firstMs: 1_000, factor: 1.5, maxMs: 5_000 };

/** What a core can be told; every field has a default. Durations in milliseconds. */
import type { BackoffPolicy } from '@llmos/base';
import { CORE_LIMITS, EXECUTE_BACKOFF, RESTART_BACKOFF, RETRY_BACKOFF } from './limits';

export interface CoreOptions {
  /** Silence after which a node is lost. */
  readonly nodeLeaseMs?: number;
  /** How long a new leader waits at most for nodes to come back; default: the node lease. */
  readonly recoveryWaitMs?: number;
  /** Quiet time after the last node attached that ends the wait early. */
  readonly recoverySettleMs?: number;
  /** A start without any sign of life for this long is given up. */
  readonly loadTimeoutMs?: number;
  /** How long a killed process may finish what it runs. */
  readonly killGraceMs?: number;
  /** A host has this long to answer a cancel; then the kernel ends the task itself. */
  readonly cancelBoundMs?: number;
  /** A ready process with work that says nothing for this long is killed. */
  readonly processSilenceMs?: number;
  /** An execute that is not accepted for this long becomes a failed attempt. */
  readonly acceptBoundMs?: number;
  /** Greetings, cancels and stops are repeated at this pace until answered. */
  readonly repeatMs?: number;
  /** An idle process that nobody asked to keep is stopped after this; undefined: never. */
  readonly idleStopMs?: number;
  /** Failures of a target on a node that are further apart are no crash loop. */
  readonly restartWindowMs?: number;
  /** What failed for good on a node is tried there again after this: machines are repaired. */
  readonly permanentFaultMs?: number;
  /** Share of each device's capacity that is never promised. */
  readonly headroomShare?: number;
  readonly retryBackoff?: BackoffPolicy;
  readonly restartBackoff?: BackoffPolicy;
  readonly executeBackoff?: BackoffPolicy;
  readonly maxTasks?: number;
  readonly maxTasksPerTenant?: number;
  /** What the stream of tasks may hold, in bytes; default: without a limit. */
  readonly taskStoreBytes?: number;
  /** How long results are kept, and cancelled ids with them; default: without a limit. */
  readonly resultMaxAgeMs?: number;
}

/** Every field set, except where undefined means never. */
export type CoreConfig = Readonly<Required<Omit<CoreOptions, 'idleStopMs'>>> & {
  readonly idleStopMs: number | undefined;
};

export function resolveCoreOptions(options: CoreOptions): CoreConfig {
  const nodeLeaseMs = options.nodeLeaseMs ?? 5_000;
  return {
    nodeLeaseMs,
    recoveryWaitMs: options.recoveryWaitMs ?? nodeLeaseMs,
    recoverySettleMs: options.recoverySettleMs ?? 500,
    loadTimeoutMs: options.loadTimeoutMs ?? 300_000,
    killGraceMs: options.killGraceMs ?? 5_000,
    cancelBoundMs: options.cancelBoundMs ?? 5_000,
    processSilenceMs: options.processSilenceMs ?? 30_000,
    acceptBoundMs: options.acceptBoundMs ?? 30_000,
    repeatMs: options.repeatMs ?? 1_000,
    idleStopMs: options.idleStopMs,
    restartWindowMs: options.restartWindowMs ?? 60_000,
    permanentFaultMs: options.permanentFaultMs ?? 10 * 60_000,
    headroomShare: options.headroomShare ?? 0.1,
    retryBackoff: options.retryBackoff ?? RETRY_BACKOFF,
    restartBackoff: options.restartBackoff ?? RESTART_BACKOFF,
    executeBackoff: options.executeBackoff ?? EXECUTE_BACKOFF,
    maxTasks: options.maxTasks ?? CORE_LIMITS.maxTasks,
    maxTasksPerTenant: options.maxTasksPerTenant ?? CORE_LIMITS.maxTasksPerTenant,
    taskStoreBytes: options.taskStoreBytes ?? Infinity,
    resultMaxAgeMs: options.resultMaxAgeMs ?? Infinity,
  };
}

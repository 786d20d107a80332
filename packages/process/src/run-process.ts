/**
 * Composition root: makes a process out of a handler and a NATS connection. The process has its
 * mailbox once the promise resolves; announce it as ready only then. The connection stays the
 * caller's.
 */
import type {
  AttemptSpec,
  Clock,
  Logger,
  NodeId,
  OnSkipped,
  ProcessId,
  TraitsOf,
} from '@llmos/base';
import { SkippedMessages, systemTimers } from '@llmos/base';
import type { NatsConnection } from '@llmos/wire';
import { createLeaderEpoch } from './adapters/jetstream/jetstream-leader-epoch';
import { createMailboxLink } from './adapters/jetstream/jetstream-mailbox-link';
import { createTaskStore } from './adapters/jetstream/jetstream-task-store';
import type { HandlerAnswer } from './attempt';
import type { AttemptRunner } from './attempt-runner';
import { PROCESS_LIMITS } from './limits';
import type { ProcessCounts } from './process-runtime';
import { ProcessRuntime } from './process-runtime';

export interface ProcessOptions {
  readonly connection: NatsConnection;
  readonly node: NodeId;
  readonly pid: ProcessId;
  readonly incarnation: number;
  /** Attempts that the kernel may have here at once. */
  readonly permits: number;
  /** What runs the attempts; of a function that takes any number side by side: `runEach`. */
  readonly runner: AttemptRunner;
  /** Of the functions that it runs: what is kept and read for an attempt follows from them. */
  readonly traitsOf: TraitsOf;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * Between two chunks of a stream, for each stream that runs (ms, 0 to 1000, default 2); 0 stores
   * tokens as they come.
   */
  readonly chunkMs?: number;
  /** Told of messages that can't be read and are left out; default: the log, at a bounded rate. */
  readonly onSkipped?: OnSkipped;
  /** Told when the first token of a stream is stored: once for a task that is not begun anew. */
  readonly onFirstToken?: (of: AttemptSpec) => void;
  /** Told of each answer, and how long it took since the attempt could run. */
  readonly onAnswer?: (answer: HandlerAnswer, tookMs: number) => void;
}

export interface RunningProcess {
  counts(): ProcessCounts;
  /** Takes nothing new and waits, at most this long, until all has ended and is confirmed. */
  drain(graceMs: number): Promise<void>;
  /** Stops at once, reporting nothing more. May be called twice. */
  close(): void;
}

export async function runProcess(options: ProcessOptions): Promise<RunningProcess> {
  const { permits, log, clock, runner, traitsOf, incarnation, onFirstToken, onAnswer } = options;
  if (!Number.isInteger(permits) || permits < 1 || permits > PROCESS_LIMITS.maxPermits) {
    throw new RangeError(
      `permits is ${permits}: it must be from 1 to ${PROCESS_LIMITS.maxPermits}`,
    );
  }
  const runtime = new ProcessRuntime({
    link: createMailboxLink({
      ...options,
      onSkipped: options.onSkipped ?? new SkippedMessages({ log, clock }).note,
    }),
    store: await createTaskStore(options.connection),
    readEpoch: await createLeaderEpoch(options.connection),
    runner,
    traitsOf,
    incarnation,
    permits,
    chunkMs: options.chunkMs ?? PROCESS_LIMITS.chunkMs,
    clock,
    timers: systemTimers,
    log,
    ...(onFirstToken === undefined ? {} : { onFirstToken }),
    ...(onAnswer === undefined ? {} : { onAnswer }),
  });
  await runtime.start();
  return {
    counts: () => runtime.counts(),
    drain: (graceMs) => runtime.drain(graceMs),
    close: () => runtime.close(),
  };
}

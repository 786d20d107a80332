/**
 * Every message between a node agent and one of its process hosts, over the IPC channel.
 *
 * The agent decides that a process runs and ends; the host decides nothing about itself, but that
 * it must leave. What a task needs never passes here: that goes over NATS.
 *
 * - H1: the host says `booted` first; the agent answers with `start`, once.
 * - H2: then comes `ready` or `load-failed`, once. After `ready` the kernel may send it tasks:
 *   its mailbox is open already. After `load-failed` it waits for the agent to end it.
 * - H3: `stop` ends it in order within the grace, in any state; of several the first to be over
 *   counts.
 * - H4: `leaving` and `crashing` are the last words of a host that ends itself. Its exit is what
 *   counts: any of these messages may be lost, and the agent learns of each end by it alone.
 * - H5: a host whose channel closes ends at once: nobody would stop it later.
 */
import type { ErrorCode, LogLevel, ModelManifest, NodeId, ProcessId, Target } from '@llmos/base';
import type { ContextCounts } from './thread-protocol';

export interface HostModel {
  /** Folder that holds the verified package files. */
  readonly packageFolder: string;
  readonly manifest: ModelManifest;
}

export interface HostSpec {
  readonly node: NodeId;
  readonly pid: ProcessId;
  readonly incarnation: number;
  /** `name@version`, or the name of a built-in program. */
  readonly target: Target;
  /** NATS. */
  readonly servers: readonly string[];
  readonly logLevel: LogLevel;
  /** `cpu`, `webgpu:0`, `cuda:0`. */
  readonly device: string;
  readonly cores: number;
  /** See ChunkPace; absent: its default. */
  readonly chunkMs?: number;
  /** How far threads that run a model on the CPU stand behind all others; absent: not at all. */
  readonly modelNiceness?: number;
  /** Of the JavaScript of each thread; absent: as much as Node.js gives. */
  readonly threadHeapBytes?: number;
  /** Absent for a built-in program. */
  readonly model?: HostModel;
  /** Tests only: so much is its wall clock ahead. */
  readonly faultClockMs?: number;
}

/** Marks what a host leaves on disk; the agent removes it when the host has ended. */
export function hostOwner(of: Pick<HostSpec, 'node' | 'pid' | 'incarnation'>): string {
  return `${of.node}.${of.pid}.${of.incarnation}`;
}

export type ToHost =
  | { readonly kind: 'start'; readonly spec: HostSpec }
  /** Take nothing new, finish what runs within the grace, leave. */
  | { readonly kind: 'stop'; readonly graceMs: number };

/** Observations by upper bound: `counts[i]` of those above bound i-1 and not above bound i. */
export interface HistogramCounts {
  /** Of one more than the bounds: the last one counts what is above all. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Upper bounds of the histograms in `HostCounts`. */
export const HOST_BOUNDS = {
  seconds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  requests: [1, 2, 4, 8, 16, 32, 64],
  /** Both as OpenTelemetry's conventions for generative models have them: dashboards rely on them. */
  firstTokenSeconds: [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
  ],
  tokenSeconds: [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5],
} as const;

/** Totals since the host started. */
export interface HostCounts {
  /** Accepted and not ended. */
  readonly running: number;
  readonly committed: number;
  readonly failed: number;
  readonly stopped: number;
  /** Given back, to go on later. */
  readonly preempted: number;
  readonly chunks: number;
  /** Messages that could not be read. */
  readonly skipped: number;
  /** Messages that could not be sent. */
  readonly unsent: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** Code → attempts whose handler ended in it. */
  readonly errors: Readonly<Record<string, number>>;
  /** From the start of an attempt to its answer, its wait for a batch included. */
  readonly attemptSeconds: HistogramCounts;
  /** Of the batches of models that don't generate. */
  readonly stepSeconds: HistogramCounts;
  readonly stepRequests: HistogramCounts;
  /** Of a model that generates: from the storage of a task to its first token. */
  readonly firstTokenSeconds?: HistogramCounts;
  /** Of a model that generates: mean time of a token after the first, of each sample that ended well. */
  readonly tokenSeconds?: HistogramCounts;
  /** Of a model that generates, once its thread has said it. */
  readonly contexts?: ContextCounts;
}

export type FromHost =
  /** The program runs and waits for `start`. */
  | { readonly kind: 'booted' }
  /** Its mailbox is open. `device`: the one in use, which may be the CPU after all. */
  | { readonly kind: 'ready'; readonly permits: number; readonly device: string }
  | {
      readonly kind: 'load-failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly retryable: boolean;
    }
  | { readonly kind: 'counts'; readonly counts: HostCounts }
  /** It ends itself in order: all that it had has ended, or is given back. */
  | { readonly kind: 'leaving'; readonly message: string }
  /** It ends itself, because a thread died or hangs. */
  | { readonly kind: 'crashing'; readonly message: string };

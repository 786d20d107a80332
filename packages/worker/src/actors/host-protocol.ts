/**
 * Every message between a node agent and one of its process hosts, over the IPC channel.
 *
 * The agent sends `start` once, the host answers `ready` or `load-failed`; `stop` ends it in
 * order. A host whose channel closes ends at once: nobody would stop it later.
 */
import type { ErrorCode, LogLevel, ModelManifest, NodeId, ProcessId } from '@llmos/base';

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
  readonly target: string;
  /** NATS. */
  readonly servers: readonly string[];
  readonly logLevel: LogLevel;
  /** `cpu`, `webgpu:0`, `cuda:0`. */
  readonly device: string;
  readonly cores: number;
  /** Absent for a built-in program. */
  readonly model?: HostModel;
}

export type ToHost =
  | { readonly kind: 'start'; readonly spec: HostSpec }
  /** Take nothing new, finish what runs within the grace, leave. */
  | { readonly kind: 'stop'; readonly graceMs: number };

/** Totals since the host started. */
export interface HostCounts {
  readonly running: number;
  readonly committed: number;
  readonly failed: number;
  readonly stopped: number;
  readonly steps: number;
  readonly stepRequests: number;
  readonly chunks: number;
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
  /** It ends itself, because a thread died or hangs. */
  | { readonly kind: 'crashing'; readonly message: string };

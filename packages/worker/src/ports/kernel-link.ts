/** The stream that a node agent holds open to the leading kernel. */
import type {
  ModelRegistration,
  NodeCapabilities,
  NodeId,
  ProcessContexts,
  ProcessId,
} from '@llmos/base';

export interface ProcessSpec {
  /** `name@version`, or the name of a built-in program. */
  readonly target: string;
  /** Absent for a built-in program. */
  readonly registration?: ModelRegistration;
  readonly device: string;
  readonly reservedBytes: number;
}

export type ProcessReport =
  | { readonly kind: 'starting'; readonly osPid: number; readonly progress: string }
  | {
      readonly kind: 'ready';
      readonly osPid: number;
      readonly permits: number;
      readonly footprintBytes: number;
      readonly device: string;
    }
  | {
      readonly kind: 'exited';
      readonly reason: 'stopped' | 'crashed' | 'load-failed';
      readonly message: string;
      readonly isRetryable: boolean;
    };

export interface ProcessChange {
  readonly pid: ProcessId;
  readonly incarnation: number;
  readonly spec: ProcessSpec;
  readonly report: ProcessReport;
}

export interface NodeRegistration {
  readonly node: NodeId;
  /** Changes with every start of the agent: processes of another session are gone. */
  readonly session: string;
  readonly capabilities: NodeCapabilities;
  readonly processes: readonly ProcessChange[];
}

/** What a node says of itself every second. */
export interface NodeBeat {
  readonly freeMemoryBytes: number;
  readonly contexts: readonly ContextsOfProcess[];
  /** What each process on the CPU occupies. */
  readonly memory: readonly MemoryOfProcess[];
  /** Own wall clock less the NATS server's; absent while it is not measured. */
  readonly clockOffsetMs?: number;
  /** It stops: the kernel gives it nothing new. */
  readonly isLeaving?: true;
}

export interface MemoryOfProcess {
  readonly pid: ProcessId;
  readonly incarnation: number;
  readonly residentBytes: number;
}

export interface ContextsOfProcess {
  readonly pid: ProcessId;
  readonly incarnation: number;
  readonly contexts: ProcessContexts;
}

export type KernelCommand =
  | { readonly kind: 'welcome'; readonly heartbeatMs: number; readonly leaseMs: number }
  | { readonly kind: 'not-leader'; readonly leaderUrl: string | undefined }
  | {
      readonly kind: 'start';
      readonly pid: ProcessId;
      readonly incarnation: number;
      /** A specification that can't be read is an error that the kernel is told of. */
      readonly spec: ProcessSpec | { readonly unreadable: string; readonly target: string };
    }
  | {
      readonly kind: 'stop';
      readonly pid: ProcessId;
      readonly incarnation: number;
      /** 0: kill at once. */
      readonly graceMs: number;
    };

export interface KernelLineEvents {
  /** Messages that can't be read are dropped before. */
  command(epoch: number, command: KernelCommand): void;
  /** Once; nothing comes after it. */
  closed(reason: string): void;
}

/** One attached stream. Sending on a closed one does nothing. */
export interface KernelLine {
  heartbeat(beat: NodeBeat): void;
  processChanged(change: ProcessChange): void;
  /** Resolves when what was sent before has reached the kernel, within a bounded time. */
  close(): Promise<void>;
}

export interface KernelLink {
  /**
   * Dials `host:port` and registers; never throws: what goes wrong is `closed`. Events come later,
   * never while this call runs.
   */
  attach(url: string, registration: NodeRegistration, events: KernelLineEvents): KernelLine;
}

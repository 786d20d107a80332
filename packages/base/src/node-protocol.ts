/**
 * What a node agent and the leading kernel say to each other, over the one gRPC stream that the
 * agent holds open; the messages are made and read in `packages/wire` (`node-codec.ts`).
 *
 * The agent registers first, then beats and tells each change; the kernel welcomes it or sends it
 * to the leader, then orders. The stream is in order and loses nothing while it stands, so
 * - N1: a registration names every process of the node, also those that ended and are remembered:
 *   whoever leads starts from it, and nothing said on an earlier stream counts any more;
 * - N2: a session is one start of the agent: processes of another session are gone;
 * - N3: an order names the incarnation that it is for, and its epoch, which the agent checks
 *   against the leader's record; an order that can't be carried out is told as an exit.
 */
import type { NodeId, ProcessId } from './ids';
import type { ModelRegistration } from './model-package';
import type { NodeCapabilities } from './node-capabilities';
import type { ProcessContexts } from './system-calls';
import type { Target } from './target';

/** What a node says of one of its processes. */
export type ProcessReport =
  | { readonly kind: 'starting'; readonly osPid?: number; readonly progress?: string }
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

/** One incarnation of a process. */
export interface ProcessName {
  readonly pid: ProcessId;
  readonly incarnation: number;
}

export interface ReportedProcess extends ProcessName {
  readonly report: ProcessReport;
  /** `name@version` or a built-in program; lets a new leader adopt the process. */
  readonly target: Target;
  readonly device: string;
  readonly reservedBytes: number;
}

/** What a node says of the generations in one of its processes. */
export interface ReportedContexts extends ProcessName {
  readonly contexts: ProcessContexts;
}

/** What a process on the CPU occupies, as the system of its machine says. */
export interface ReportedMemory extends ProcessName {
  readonly residentBytes: number;
}

export interface NodeRegistration {
  readonly nodeId: NodeId;
  /** Changes with every start of the agent. */
  readonly session: string;
  readonly capabilities: NodeCapabilities;
  readonly processes: readonly ReportedProcess[];
}

/** What a node says of itself every second. */
export interface NodeBeat {
  readonly freeMemoryBytes: number;
  readonly contexts: readonly ReportedContexts[];
  readonly memory: readonly ReportedMemory[];
  /** Own wall clock less the NATS server's; absent while it is not measured. */
  readonly clockOffsetMs?: number;
  /** It stops: the kernel gives it nothing new. */
  readonly isLeaving?: true;
}

export type NodeMessage =
  | { readonly kind: 'register'; readonly registration: NodeRegistration }
  | { readonly kind: 'heartbeat'; readonly beat: NodeBeat }
  | { readonly kind: 'process-changed'; readonly process: ReportedProcess };

/** What a process is started with. */
export interface ProcessSpec {
  /** `name@version`, or the name of a built-in program. */
  readonly target: Target;
  /** Absent for a built-in program. */
  readonly registration?: ModelRegistration;
  readonly device: string;
  readonly reservedBytes: number;
}

/** A specification that can't be read is an error that the kernel is told of. */
export interface UnreadableSpec {
  readonly unreadable: string;
  readonly target: Target;
}

/** @template Spec as it was sent; as it is received, it may be unreadable. */
export type KernelCommand<Spec = ProcessSpec> =
  | { readonly kind: 'welcome'; readonly heartbeatMs: number; readonly leaseMs: number }
  | { readonly kind: 'not-leader'; readonly leaderUrl: string | undefined }
  | ({ readonly kind: 'start'; readonly spec: Spec } & ProcessName)
  /** 0: kill at once. */
  | ({ readonly kind: 'stop'; readonly graceMs: number } & ProcessName);

export type ReceivedCommand = KernelCommand<ProcessSpec | UnreadableSpec>;

/** A machine that attached, as the kernel sees it. Written through `NodeTable` only. */
import type { NodeCapabilities, NodeId, ProcessId } from '@llmos/base';

export type NodeState =
  | { readonly kind: 'alive' }
  /** Silent for half its lease, or its stream closed. */
  | { readonly kind: 'suspect'; readonly sinceMs: number }
  | { readonly kind: 'lost'; readonly sinceMs: number };

/** A process that was given up with its node and may still run there. */
export interface LeftBehind {
  readonly pid: ProcessId;
  readonly incarnation: number;
}

export interface Node {
  readonly nodeId: NodeId;
  /** Of the agent program that runs now. */
  readonly session: string;
  readonly capabilities: NodeCapabilities;
  state: NodeState;
  /** Its stream is open: commands reach it. */
  isAttached: boolean;
  /** Its agent stops: what runs there may end, nothing new may begin. */
  isLeaving: boolean;
  lastHeardMs: number;
  freeMemoryBytes: number;
  /** Its wall clock less the NATS server's; undefined while it did not say. */
  clockOffsetMs: number | undefined;
  /** Of a lost node; it counts again once they have exited, so that no memory is promised twice. */
  leftBehind: LeftBehind[];
  /** When a lost node was heard of again over its old stream. */
  heardAgainMs: number | undefined;
}

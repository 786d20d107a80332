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
  readonly state: NodeState;
  /** Its stream is open: commands reach it. */
  readonly isAttached: boolean;
  /** Its agent stops: what runs there may end, nothing new may begin. */
  readonly isLeaving: boolean;
  readonly lastHeardMs: number;
  readonly freeMemoryBytes: number;
  /** Its wall clock less the NATS server's; undefined while it did not say. */
  readonly clockOffsetMs: number | undefined;
  /** Of a lost node; it counts again once they have exited, so that no memory is promised twice. */
  readonly leftBehind: readonly LeftBehind[];
  /** When a lost node was heard of again over its old stream. */
  readonly heardAgainMs: number | undefined;
}

/** Whether a node may get processes now. */
export function mayTake(node: Node): boolean {
  return node.state.kind === 'alive' && node.isAttached && !node.isLeaving;
}

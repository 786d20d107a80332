/** All nodes that attached under this leader. Sole writer of node rows. */
import type { NodeCapabilities, NodeId } from '@llmos/base';
import { compareIds } from '@llmos/base';
import { CORE_LIMITS } from '../limits';
import { judgeNode } from './failure-detector';
import type { LeftBehind, Node } from './node';

export interface Attachment {
  readonly nodeId: NodeId;
  readonly session: string;
  readonly capabilities: NodeCapabilities;
}

export class NodeTable {
  private readonly nodes = new Map<NodeId, Node>();

  get size(): number {
    return this.nodes.size;
  }

  get(nodeId: NodeId): Node | undefined {
    return this.nodes.get(nodeId);
  }

  /** By id, so that every walk over the nodes has the same order. */
  all(): Node[] {
    return [...this.nodes.values()].sort((a, b) => compareIds(a.nodeId, b.nodeId));
  }

  /** `full` where no row is free: the node stays unknown. */
  attach(attachment: Attachment, nowMs: number): Node | 'full' {
    const { nodeId, session } = attachment;
    const known = this.nodes.get(nodeId);
    if (known === undefined && !this.makeRoom()) return 'full';
    const isSameSession = known?.session === session;
    const node: Node = {
      nodeId,
      session,
      // Within a session the capacity stays: its processes were placed by it.
      capabilities: isSameSession ? known.capabilities : attachment.capabilities,
      state: { kind: 'alive' },
      isAttached: true,
      isLeaving: isSameSession && known.isLeaving,
      lastHeardMs: nowMs,
      freeMemoryBytes: known?.freeMemoryBytes ?? attachment.capabilities.memoryBytes,
      clockOffsetMs: isSameSession ? known.clockOffsetMs : undefined,
      leftBehind: [],
      heardAgainMs: undefined,
    };
    this.nodes.set(nodeId, node);
    return node;
  }

  /** A lost node stays lost; see `revive`. */
  hear(nodeId: NodeId, freeMemoryBytes: number, nowMs: number): void {
    const node = this.nodes.get(nodeId);
    if (node === undefined) return;
    if (node.state.kind === 'lost') {
      node.heardAgainMs ??= nowMs;
      return;
    }
    node.lastHeardMs = nowMs;
    node.freeMemoryBytes = freeMemoryBytes;
    if (node.isAttached) node.state = { kind: 'alive' };
  }

  /** For people: nothing is decided by a node's clock. */
  noteClock(nodeId: NodeId, offsetMs: number | undefined): void {
    const node = this.nodes.get(nodeId);
    if (node !== undefined) node.clockOffsetMs = offsetMs;
  }

  /** Until its agent starts anew. */
  leave(nodeId: NodeId): void {
    const node = this.nodes.get(nodeId);
    if (node !== undefined) node.isLeaving = true;
  }

  detach(nodeId: NodeId, session: string): void {
    const node = this.nodes.get(nodeId);
    if (node?.session === session) node.isAttached = false;
  }

  /** Moves the row to its present judgement; answers it where that changed. */
  judge(nodeId: NodeId, nowMs: number, leaseMs: number): Node['state']['kind'] | undefined {
    const node = this.nodes.get(nodeId);
    if (node === undefined || node.state.kind === 'lost') return undefined;
    const judgement = judgeNode(node, nowMs, leaseMs);
    if (judgement === node.state.kind) return undefined;
    node.state = judgement === 'alive' ? { kind: 'alive' } : { kind: judgement, sinceMs: nowMs };
    return judgement;
  }

  leaveBehind(nodeId: NodeId, processes: readonly LeftBehind[]): void {
    const node = this.nodes.get(nodeId);
    if (node !== undefined) node.leftBehind = [...processes];
  }

  noteExit(nodeId: NodeId, exited: LeftBehind): void {
    const node = this.nodes.get(nodeId);
    if (node === undefined) return;
    node.leftBehind = node.leftBehind.filter(
      ({ pid, incarnation }) => pid !== exited.pid || incarnation !== exited.incarnation,
    );
  }

  /** A lost node is there again over a new stream, and still runs these processes of before. */
  comeBack(nodeId: NodeId, processes: readonly LeftBehind[], nowMs: number): void {
    const node = this.nodes.get(nodeId);
    if (node === undefined) return;
    node.isAttached = true;
    node.heardAgainMs ??= nowMs;
    node.leftBehind = [...processes];
  }

  /** A lost node that spoke again, with nothing left behind, counts as before. */
  revive(nodeId: NodeId, nowMs: number): void {
    const node = this.nodes.get(nodeId);
    if (node === undefined) return;
    node.state = { kind: 'alive' };
    node.lastHeardMs = nowMs;
    node.leftBehind = [];
    node.heardAgainMs = undefined;
  }

  forget(nodeId: NodeId): void {
    this.nodes.delete(nodeId);
  }

  private makeRoom(): boolean {
    if (this.nodes.size < CORE_LIMITS.maxNodes) return true;
    const lost = this.all().find((node) => node.state.kind === 'lost');
    if (lost === undefined) return false;
    this.nodes.delete(lost.nodeId);
    return true;
  }
}

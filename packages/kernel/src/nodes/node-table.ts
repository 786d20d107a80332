/**
 * All nodes that attached under this leader. Sole writer of node rows; tells those that came, went,
 * or are judged otherwise, so that whether they may take processes may have changed.
 */
import type { NodeCapabilities, NodeId } from '@llmos/base';
import { compareIds } from '@llmos/base';
import { CORE_LIMITS } from '../limits';
import { judgeNode } from './failure-detector';
import { mayTake, type LeftBehind, type Node } from './node';

export interface Attachment {
  readonly nodeId: NodeId;
  readonly session: string;
  readonly capabilities: NodeCapabilities;
}

type Row = { -readonly [Key in keyof Node]: Node[Key] };

export class NodeTable {
  private readonly nodes = new Map<NodeId, Row>();
  /** By id; undefined after one came or went. */
  private inOrder: readonly Node[] | undefined;

  constructor(private readonly onChange: (nodeId: NodeId) => void = () => undefined) {}

  get size(): number {
    return this.nodes.size;
  }

  get(nodeId: NodeId): Node | undefined {
    return this.nodes.get(nodeId);
  }

  /** By id, so that every walk over the nodes has the same order. */
  all(): readonly Node[] {
    this.inOrder ??= [...this.nodes.values()].sort((a, b) => compareIds(a.nodeId, b.nodeId));
    return this.inOrder;
  }

  /** `full` where no row is free: the node stays unknown. */
  attach(attachment: Attachment, nowMs: number): Node | 'full' {
    const { nodeId, session } = attachment;
    const known = this.nodes.get(nodeId);
    if (known === undefined && !this.makeRoom()) return 'full';
    const isSameSession = known?.session === session;
    const node: Row = {
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
    this.inOrder = undefined;
    this.onChange(nodeId);
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
    if (!node.isAttached || node.state.kind === 'alive') return;
    node.state = { kind: 'alive' };
    this.onChange(nodeId);
  }

  /** For people: nothing is decided by a node's clock. */
  noteClock(nodeId: NodeId, offsetMs: number | undefined): void {
    const node = this.nodes.get(nodeId);
    if (node !== undefined) node.clockOffsetMs = offsetMs;
  }

  /** Until its agent starts anew. */
  leave(nodeId: NodeId): void {
    const node = this.nodes.get(nodeId);
    if (node === undefined || node.isLeaving) return;
    node.isLeaving = true;
    this.onChange(nodeId);
  }

  detach(nodeId: NodeId, session: string): void {
    const node = this.nodes.get(nodeId);
    if (node?.session !== session || !node.isAttached) return;
    node.isAttached = false;
    this.onChange(nodeId);
  }

  /** Moves the row to its present judgement; answers it where that changed. */
  judge(nodeId: NodeId, nowMs: number, leaseMs: number): Node['state']['kind'] | undefined {
    const node = this.nodes.get(nodeId);
    if (node === undefined || node.state.kind === 'lost') return undefined;
    const judgement = judgeNode(node, nowMs, leaseMs);
    if (judgement === node.state.kind) return undefined;
    node.state = judgement === 'alive' ? { kind: 'alive' } : { kind: judgement, sinceMs: nowMs };
    this.onChange(nodeId);
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
    this.onChange(nodeId);
  }

  forget(nodeId: NodeId): void {
    if (!this.nodes.delete(nodeId)) return;
    this.inOrder = undefined;
    this.onChange(nodeId);
  }

  /** Those that may get processes now, by id. */
  takers(): readonly Node[] {
    return this.all().filter(mayTake);
  }

  private makeRoom(): boolean {
    if (this.nodes.size < CORE_LIMITS.maxNodes) return true;
    const lost = this.all().find((node) => node.state.kind === 'lost');
    if (lost === undefined) return false;
    this.forget(lost.nodeId);
    return true;
  }
}

/** Judges a node by its silence, on the kernel's own monotonic clock. Pure. */
import type { Node } from './node';

export type NodeJudgement = 'alive' | 'suspect' | 'lost';

export function judgeNode(node: Node, nowMs: number, leaseMs: number): NodeJudgement {
  const silentMs = nowMs - node.lastHeardMs;
  if (silentMs >= leaseMs) return 'lost';
  return silentMs >= leaseMs / 2 || !node.isAttached ? 'suspect' : 'alive';
}

/** When the judgement can change next if nothing is heard. */
export function nextJudgementMs(node: Node, leaseMs: number): number {
  const suspectAtMs = node.lastHeardMs + leaseMs / 2;
  return node.state.kind === 'alive' ? suspectAtMs : node.lastHeardMs + leaseMs;
}

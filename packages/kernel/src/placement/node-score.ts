/** Which node is the better home: spread replicas, then free memory, then fewer processes. */
import { compareIds } from '@llmos/base';
import type { DeviceView, NodeView } from './node-view';

export interface ScoredNode {
  readonly node: NodeView;
  /** The device it would be put on. */
  readonly device: DeviceView;
}

/** Negative where `a` is better. Ties go to the lower node id, so that every kernel agrees. */
export function compareNodes(a: ScoredNode, b: ScoredNode): number {
  return (
    a.node.siblingCount - b.node.siblingCount ||
    b.device.freeBytes - a.device.freeBytes ||
    a.node.processCount - b.node.processCount ||
    compareIds(a.node.nodeId, b.node.nodeId)
  );
}

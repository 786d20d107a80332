/**
 * The nodes that may get a process now, as placement looks at them: one device, and all of them for
 * a target.
 */
import type { NodeId, Target } from '@llmos/base';
import { compareIds } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import type { DeviceView, EvictableProcess, NodeView } from '../placement/node-view';
import { isServing, type Process } from '../processes/process';
import { isSpare } from './demand';

type Room = Omit<DeviceView, 'isPromised'>;

/** @param before what it was called, and by whom it was provided. */
export function viewDevice(
  state: KernelState,
  nodeId: NodeId,
  { deviceId, provider }: Pick<Room, 'deviceId' | 'provider'>,
): Room {
  const balance = state.ledger.balance(nodeId, deviceId);
  const here = state.processes.onNode(nodeId).filter((process) => process.deviceId === deviceId);
  let leavingBytes = 0;
  for (const { pid, state: current } of here) {
    if (current.kind !== 'draining' || current.isFinishing) continue;
    leavingBytes += state.ledger.bytesOf(pid);
  }
  return {
    deviceId,
    provider,
    usableBytes: balance?.usableBytes ?? 0,
    freeBytes: balance?.freeBytes ?? 0,
    leavingBytes,
    evictable: evictableOf(state, here),
  };
}

/** What placement needs to know of a node, for one target. */
export interface NodeSubject {
  readonly nodeId: NodeId;
  readonly devices: readonly DeviceView[];
}

/** In the order in which the nodes are given. */
export function viewNodes(
  state: KernelState,
  target: Target,
  nodes: readonly NodeSubject[],
): NodeView[] {
  const siblings = new Map<NodeId, number>();
  for (const process of state.processes.ofTarget(target)) {
    if (!isServing(process)) continue;
    siblings.set(process.nodeId, (siblings.get(process.nodeId) ?? 0) + 1);
  }
  return nodes.map(({ nodeId, devices }) => {
    const fault = state.faults.active(target, nodeId, state.now.nowMs);
    return {
      nodeId,
      devices,
      processCount: state.processes.countOn(nodeId),
      siblingCount: siblings.get(nodeId) ?? 0,
      ...(fault === undefined ? {} : { fault }),
    };
  });
}

/** No target that is short has one of them: it would not be spare. */
function evictableOf(state: KernelState, processes: readonly Process[]): EvictableProcess[] {
  return processes
    .filter((process) => isSpare(state, process))
    .map((process) => ({
      pid: process.pid,
      bytes: state.ledger.bytesOf(process.pid),
      idleSinceMs: process.idleSinceMs ?? state.now.nowMs,
    }))
    .sort((a, b) => a.idleSinceMs - b.idleSinceMs || compareIds(a.pid, b.pid));
}

/** The nodes that may get a process now, as placement looks at them. */
import type { KernelState } from '../kernel-state';
import type { Node } from '../nodes/node';
import type { DeviceView, EvictableProcess, NodeView } from '../placement/node-view';
import { isServing, type Process } from '../processes/process';
import { isSpare } from './demand';

/** @param promised devices (`node/device`) whose room waits for a more urgent target. */
export function viewNodes(
  state: KernelState,
  target: string,
  promised: ReadonlySet<string>,
): NodeView[] {
  const byNode = new Map<string, Process[]>();
  for (const process of state.processes.all()) {
    if (process.state.kind === 'backing-off') continue;
    const others = byNode.get(process.nodeId);
    if (others === undefined) byNode.set(process.nodeId, [process]);
    else others.push(process);
  }
  return state.nodes
    .all()
    .filter(mayTake)
    .map((node) => viewNode(state, { node, target, promised, on: byNode.get(node.nodeId) ?? [] }));
}

/** Whether a node may get processes now. */
export function mayTake(node: Node): boolean {
  return node.state.kind === 'alive' && node.isAttached && !node.isLeaving;
}

interface NodeSubject {
  readonly node: Node;
  readonly target: string;
  readonly promised: ReadonlySet<string>;
  readonly on: readonly Process[];
}

function viewNode(state: KernelState, of: NodeSubject): NodeView {
  const { node, target, promised, on } = of;
  const devices = node.capabilities.devices.map((capability): DeviceView => {
    const balance = state.ledger.balance(node.nodeId, capability.id);
    const here = on.filter((process) => process.deviceId === capability.id);
    return {
      deviceId: capability.id,
      provider: capability.provider,
      usableBytes: balance?.usableBytes ?? 0,
      freeBytes: balance?.freeBytes ?? 0,
      leavingBytes: here
        .filter(({ state: current }) => current.kind === 'draining' && !current.isFinishing)
        .reduce((sum, process) => sum + state.ledger.bytesOf(process.pid), 0),
      evictable: evictableOf(state, here, target),
      isPromised: promised.has(`${node.nodeId}/${capability.id}`),
    };
  });
  const fault = state.faults.active(target, node.nodeId, state.now.nowMs);
  return {
    nodeId: node.nodeId,
    devices,
    processCount: on.length,
    siblingCount: on.filter((process) => process.target === target && isServing(process)).length,
    ...(fault === undefined ? {} : { fault }),
  };
}

function evictableOf(
  state: KernelState,
  processes: readonly Process[],
  target: string,
): EvictableProcess[] {
  const spare = processes.filter((process) => process.target !== target && isSpare(state, process));
  return spare
    .map((process) => ({
      pid: process.pid,
      bytes: state.ledger.bytesOf(process.pid),
      idleSinceMs: process.idleSinceMs ?? state.now.nowMs,
    }))
    .sort((a, b) => a.idleSinceMs - b.idleSinceMs);
}

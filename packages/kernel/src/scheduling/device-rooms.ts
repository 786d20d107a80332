/**
 * The devices that may get a process now, each with what is free on it, what leaves, and what may
 * be evicted: worked out again only for a device that something has changed on. Sole writer of its
 * rows, but for who holds the promise of one.
 */
import type { NodeId } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import type { Node } from '../nodes/node';
import { mayTake } from '../nodes/node';
import type { DeviceView } from '../placement/node-view';
import { viewDevice } from './node-views';
import type { Waiter } from './demand-index';

export interface DeviceRoom {
  readonly nodeId: NodeId;
  readonly deviceId: string;
  /** Programs use an accelerator only where their node has nothing else. */
  readonly takesPrograms: boolean;
  view: Omit<DeviceView, 'isPromised'>;
  /** With what leaves and what may be evicted. */
  roomBytes: number;
  /** Who waits for room on it: nobody less urgent gets any. */
  holder: Waiter | undefined;
}

export interface NodeRooms {
  readonly nodeId: NodeId;
  readonly capabilities: Node['capabilities'];
  readonly devices: readonly DeviceRoom[];
}

const NOTHING: Omit<DeviceView, 'isPromised'> = {
  deviceId: '',
  provider: '',
  usableBytes: 0,
  freeBytes: 0,
  leavingBytes: 0,
  evictable: [],
};

export class DeviceRooms {
  private readonly byNode = new Map<NodeId, NodeRooms>();
  /** By the ids of their nodes; undefined after one came or went. */
  private inOrder: readonly NodeRooms[] | undefined;
  private readonly changedNodes = new Set<NodeId>();
  private readonly changed = new Map<string, { nodeId: NodeId; deviceId: string }>();

  get hasChanges(): boolean {
    return this.changed.size > 0 || this.changedNodes.size > 0;
  }

  noteNode(nodeId: NodeId): void {
    this.changedNodes.add(nodeId);
  }

  noteDevice(nodeId: NodeId, deviceId: string): void {
    this.changed.set(`${nodeId}/${deviceId}`, { nodeId, deviceId });
  }

  /** By the ids of their nodes. */
  all(state: KernelState): readonly NodeRooms[] {
    this.inOrder ??= state.nodes.takers().flatMap(({ nodeId }) => this.byNode.get(nodeId) ?? []);
    return this.inOrder;
  }

  find(nodeId: NodeId, deviceId: string): DeviceRoom | undefined {
    return this.byNode.get(nodeId)?.devices.find((room) => room.deviceId === deviceId);
  }

  /** @returns the rooms that are gone; undefined where no node has changed. */
  takeNodeChanges(state: KernelState): DeviceRoom[] | undefined {
    if (this.changedNodes.size === 0) return undefined;
    const gone: DeviceRoom[] = [];
    for (const nodeId of this.changedNodes) {
      const before = this.byNode.get(nodeId);
      const node = state.nodes.get(nodeId);
      const next = node !== undefined && mayTake(node) ? node : undefined;
      const goesOn = before !== undefined && before.capabilities === next?.capabilities;
      if (before !== undefined && !goesOn) gone.push(...before.devices);
      if (next === undefined) this.byNode.delete(nodeId);
      else if (!goesOn) this.byNode.set(nodeId, openRooms(next));
      for (const { id } of next?.capabilities.devices ?? []) this.noteDevice(nodeId, id);
    }
    this.changedNodes.clear();
    this.inOrder = undefined;
    return gone;
  }

  /** @returns those that are other ones now. */
  takeDeviceChanges(state: KernelState): DeviceRoom[] {
    if (this.changed.size === 0) return [];
    const rooms = [...this.changed.values()].flatMap(
      ({ nodeId, deviceId }) => this.find(nodeId, deviceId) ?? [],
    );
    this.changed.clear();
    for (const room of rooms) {
      room.view = viewDevice(state, room.nodeId, room.view);
      const { freeBytes, leavingBytes, evictable } = room.view;
      room.roomBytes = freeBytes + leavingBytes;
      for (const { bytes } of evictable) room.roomBytes += bytes;
    }
    return rooms;
  }
}

function openRooms({ nodeId, capabilities }: Node): NodeRooms {
  const { devices } = capabilities;
  const hasCpu = devices.some(({ provider }) => provider === 'cpu');
  return {
    nodeId,
    capabilities,
    devices: devices.map(({ id, provider }) => ({
      nodeId,
      deviceId: id,
      takesPrograms: !hasCpu || provider === 'cpu',
      view: { ...NOTHING, deviceId: id, provider },
      roomBytes: 0,
      holder: undefined,
    })),
  };
}

/**
 * Where a process goes: now, not now (after these evictions), or never. Pure.
 *
 * A node offers the first of its devices that fits now, in the order it prefers; nodes are compared
 * by `node-score`.
 */
import type { NodeId, ProcessId } from '@llmos/base';
import { compareNodes } from './node-score';
import type { DeviceView, NodeView } from './node-view';

export interface PlacementRequest {
  readonly bytes: number;
  /** A program without a model has no use for an accelerator. */
  readonly wantsCpu: boolean;
}

export type PlacementOutcome =
  | { readonly kind: 'placed'; readonly nodeId: NodeId; readonly deviceId: string }
  /** Once these are gone, and what leaves already; `evict` is empty where waiting is enough. */
  | {
      readonly kind: 'deferred';
      readonly nodeId: NodeId;
      readonly deviceId: string;
      readonly evict: readonly ProcessId[];
    }
  /** It fits somewhere, but nothing there may be evicted now. */
  | { readonly kind: 'blocked' }
  /** Larger than every device. */
  | { readonly kind: 'infeasible'; readonly largestUsableBytes: number }
  | { readonly kind: 'no-nodes' };

export function choosePlacement(
  request: PlacementRequest,
  nodes: readonly NodeView[],
): PlacementOutcome {
  if (nodes.length === 0) return { kind: 'no-nodes' };
  const offers = nodes.map((node) => ({ node, devices: suitableDevices(request, node) }));
  const feasible = offers.flatMap(({ devices }) => devices);
  if (!feasible.some((device) => device.usableBytes >= request.bytes)) {
    const largestUsableBytes = Math.max(0, ...feasible.map((device) => device.usableBytes));
    return { kind: 'infeasible', largestUsableBytes };
  }
  return placeNow(request, offers) ?? placeLater(request, offers) ?? { kind: 'blocked' };
}

interface NodeOffer {
  readonly node: NodeView;
  readonly devices: readonly DeviceView[];
}

function suitableDevices(request: PlacementRequest, node: NodeView): readonly DeviceView[] {
  if (!request.wantsCpu) return node.devices;
  const cpus = node.devices.filter((device) => device.provider === 'cpu');
  return cpus.length > 0 ? cpus : node.devices;
}

function placeNow(
  request: PlacementRequest,
  offers: readonly NodeOffer[],
): PlacementOutcome | undefined {
  const candidates = offers.flatMap(({ node, devices }) => {
    const device = devices.find((one) => !one.isPromised && one.freeBytes >= request.bytes);
    return device === undefined ? [] : [{ node, device }];
  });
  const [best] = candidates.sort(compareNodes);
  if (best === undefined) return undefined;
  return { kind: 'placed', nodeId: best.node.nodeId, deviceId: best.device.deviceId };
}

function placeLater(
  request: PlacementRequest,
  offers: readonly NodeOffer[],
): PlacementOutcome | undefined {
  const candidates = offers.flatMap(({ node, devices }) =>
    devices.flatMap((device) => {
      const evict = chooseEvictions(request.bytes, device);
      return evict === undefined ? [] : [{ node, device, evict }];
    }),
  );
  const [best] = candidates.sort((a, b) => a.evict.length - b.evict.length || compareNodes(a, b));
  if (best === undefined) return undefined;
  const { node, device, evict } = best;
  return { kind: 'deferred', nodeId: node.nodeId, deviceId: device.deviceId, evict };
}

/** The longest idle ones that make enough room; undefined where all of them don't. */
function chooseEvictions(bytes: number, device: DeviceView): ProcessId[] | undefined {
  if (device.isPromised || device.usableBytes < bytes) return undefined;
  let roomBytes = device.freeBytes + device.leavingBytes;
  const evict: ProcessId[] = [];
  for (const process of device.evictable) {
    if (roomBytes >= bytes) break;
    evict.push(process.pid);
    roomBytes += process.bytes;
  }
  return roomBytes >= bytes ? evict : undefined;
}

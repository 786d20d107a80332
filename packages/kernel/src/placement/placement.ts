/**
 * Where a process goes: now, not now (after these evictions), or never. Pure.
 *
 * A node offers the first of its devices that fits now, in the order it prefers; nodes are compared
 * by `node-score`. One that failed the target is out of the question while its fault lasts; only
 * where every node that fits has failed it for good is the answer never.
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
  /** It fits somewhere, but nothing there may be evicted now; other nodes are free from then on. */
  | { readonly kind: 'blocked'; readonly untilMs?: number }
  /** Every node that fits it failed it; the first may be tried again then. */
  | { readonly kind: 'failing'; readonly untilMs: number }
  /** Every node that fits it failed it for good. */
  | { readonly kind: 'failed'; readonly untilMs: number }
  /** Larger than every device. */
  | { readonly kind: 'infeasible'; readonly largestUsableBytes: number }
  | { readonly kind: 'no-nodes' };

export function choosePlacement(
  request: PlacementRequest,
  nodes: readonly NodeView[],
): PlacementOutcome {
  if (nodes.length === 0) return { kind: 'no-nodes' };
  const offers = nodes.map((node) => ({ node, devices: suitableDevices(request, node) }));
  const fitting = offers.filter(({ devices }) => largestOf(devices) >= request.bytes);
  if (fitting.length === 0) {
    const largestUsableBytes = Math.max(...offers.map(({ devices }) => largestOf(devices)));
    return { kind: 'infeasible', largestUsableBytes };
  }
  const sound = fitting.filter(({ node }) => node.fault === undefined);
  const faults = fitting.flatMap(({ node }) => node.fault ?? []);
  const untilMs = Math.min(...faults.map((fault) => fault.untilMs));
  if (sound.length === 0) {
    const isFinal = faults.every(({ isPermanent }) => isPermanent);
    return { kind: isFinal ? 'failed' : 'failing', untilMs };
  }
  const blocked = { kind: 'blocked', ...(faults.length === 0 ? {} : { untilMs }) } as const;
  return placeNow(request, sound) ?? placeLater(request, sound) ?? blocked;
}

function largestOf(devices: readonly DeviceView[]): number {
  return Math.max(0, ...devices.map((device) => device.usableBytes));
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

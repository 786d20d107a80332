import type { NodeId, ProcessId } from '@llmos/base';
import type { DeviceView, NodeView } from './node-view';
import { choosePlacement } from './placement';

const device = (more: Partial<DeviceView> = {}): DeviceView => ({
  deviceId: 'cpu',
  provider: 'cpu',
  usableBytes: 1000,
  freeBytes: 1000,
  leavingBytes: 0,
  evictable: [],
  isPromised: false,
  ...more,
});
const node = (name: string, ...devices: DeviceView[]): NodeView => ({
  nodeId: name as NodeId,
  devices,
  processCount: 0,
  siblingCount: 0,
});
const spare = (name: string, bytes: number, idleSinceMs: number) => ({
  pid: name as ProcessId,
  bytes,
  idleSinceMs,
});
const need = (bytes: number, wantsCpu = false) => ({ bytes, wantsCpu });

describe('placement', () => {
  it('prefers the node with the most free memory, then the lower id', () => {
    const nodes = [node('b', device()), node('a', device()), node('c', device({ freeBytes: 900 }))];
    expect(choosePlacement(need(500), nodes)).toMatchObject({ kind: 'placed', nodeId: 'a' });
  });

  it('spreads replicas before it looks at memory', () => {
    const crowded = { ...node('a', device()), siblingCount: 1 };
    const outcome = choosePlacement(need(500), [crowded, node('b', device({ freeBytes: 600 }))]);
    expect(outcome).toMatchObject({ kind: 'placed', nodeId: 'b' });
  });

  it('uses the first device of a node that fits, in the order the node prefers', () => {
    const gpu = device({
      deviceId: 'webgpu:0',
      provider: 'webgpu',
      usableBytes: 400,
      freeBytes: 400,
    });
    const both = node('a', gpu, device());
    expect(choosePlacement(need(300), [both])).toMatchObject({ deviceId: 'webgpu:0' });
    expect(choosePlacement(need(500), [both])).toMatchObject({ deviceId: 'cpu' });
    expect(choosePlacement(need(300, true), [both])).toMatchObject({ deviceId: 'cpu' });
  });

  it('evicts the longest idle ones, and no more than needed', () => {
    const evictable = [spare('old', 300, 1), spare('newer', 300, 2), spare('newest', 300, 3)];
    const outcome = choosePlacement(need(550), [node('a', device({ freeBytes: 0, evictable }))]);
    expect(outcome).toMatchObject({ kind: 'deferred', evict: ['old', 'newer'] });
  });

  it('waits for what leaves already instead of evicting more', () => {
    const leaving = device({ freeBytes: 100, leavingBytes: 500, evictable: [spare('p', 400, 1)] });
    const outcome = choosePlacement(need(600), [node('a', leaving)]);
    expect(outcome).toMatchObject({ kind: 'deferred', evict: [] });
  });

  it('tells busy memory from memory that no device has', () => {
    const busy = node('a', device({ freeBytes: 100 }));
    expect(choosePlacement(need(500), [busy])).toEqual({ kind: 'blocked' });
    expect(choosePlacement(need(5000), [busy])).toEqual({
      kind: 'infeasible',
      largestUsableBytes: 1000,
    });
    expect(choosePlacement(need(1), [])).toEqual({ kind: 'no-nodes' });
  });

  it('leaves a device alone that someone more urgent waits for', () => {
    const promised = node('a', device({ isPromised: true }));
    expect(choosePlacement(need(10), [promised])).toEqual({ kind: 'blocked' });
  });

  it('avoids a node that failed it while another fits, however full that is', () => {
    const failing = { ...node('a', device()), fault: { untilMs: 50, isPermanent: false } };
    const full = node('b', device({ freeBytes: 0 }));
    expect(choosePlacement(need(500), [failing, node('c', device({ freeBytes: 600 }))])).toEqual({
      kind: 'placed',
      nodeId: 'c',
      deviceId: 'cpu',
    });
    expect(choosePlacement(need(500), [failing, full])).toEqual({ kind: 'blocked', untilMs: 50 });
  });

  it('tells nodes that fail from nodes that failed for good, and asks only those that fit', () => {
    const failing = { ...node('a', device()), fault: { untilMs: 50, isPermanent: false } };
    const failed = { ...node('b', device()), fault: { untilMs: 70, isPermanent: true } };
    const small = node('c', device({ usableBytes: 100, freeBytes: 100 }));
    expect(choosePlacement(need(500), [failed, failing, small])).toEqual({
      kind: 'failing',
      untilMs: 50,
    });
    expect(choosePlacement(need(500), [failed, small])).toEqual({ kind: 'failed', untilMs: 70 });
  });
});

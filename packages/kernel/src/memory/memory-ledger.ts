/**
 * The bytes of every device: reserved for processes that start, committed to those that are ready,
 * free. Invariant K3: reserved + committed never exceeds usable = capacity − headroom. Sole writer;
 * tells the devices whose bytes have changed.
 */
import type { NodeId, ProcessId } from '@llmos/base';

export interface DeviceBalance {
  readonly nodeId: NodeId;
  readonly deviceId: string;
  readonly capacityBytes: number;
  readonly usableBytes: number;
  readonly reservedBytes: number;
  readonly committedBytes: number;
  readonly freeBytes: number;
}

interface Device {
  readonly nodeId: NodeId;
  readonly deviceId: string;
  readonly capacityBytes: number;
  readonly usableBytes: number;
  reservedBytes: number;
  committedBytes: number;
}
interface Entry {
  readonly device: Device;
  kind: 'reserved' | 'committed';
  bytes: number;
  /** What it keeps however little it occupies: its promise, or what it took to get ready. */
  leastBytes: number;
}

export interface ReserveRequest {
  readonly pid: ProcessId;
  readonly nodeId: NodeId;
  readonly deviceId: string;
  readonly bytes: number;
}

export class MemoryLedger {
  private readonly devices = new Map<string, Device>();
  private readonly entries = new Map<ProcessId, Entry>();

  constructor(
    private readonly headroomShare: number,
    private readonly onChange: (nodeId: NodeId, deviceId: string) => void = () => undefined,
  ) {}

  /** The node's processes must have been released before its devices are replaced. */
  setDevices(
    nodeId: NodeId,
    devices: readonly { readonly id: string; readonly capacityBytes: number }[],
  ): void {
    this.removeNode(nodeId);
    for (const { id, capacityBytes } of devices) {
      const capacity = Number.isFinite(capacityBytes) ? Math.max(0, capacityBytes) : 0;
      this.devices.set(deviceName(nodeId, id), {
        nodeId,
        deviceId: id,
        capacityBytes: capacity,
        usableBytes: Math.floor(capacity * (1 - this.headroomShare)),
        reservedBytes: 0,
        committedBytes: 0,
      });
      this.onChange(nodeId, id);
    }
  }

  removeNode(nodeId: NodeId): void {
    for (const [name, device] of this.devices) {
      if (device.nodeId !== nodeId) continue;
      this.devices.delete(name);
      this.onChange(nodeId, device.deviceId);
    }
    for (const [pid, entry] of this.entries) {
      if (entry.device.nodeId === nodeId) this.entries.delete(pid);
    }
  }

  /** False, and nothing changed, where it does not fit now or the process holds bytes already. */
  tryReserve(request: ReserveRequest): boolean {
    const device = this.devices.get(deviceName(request.nodeId, request.deviceId));
    if (device === undefined || this.entries.has(request.pid)) return false;
    const bytes = Math.ceil(request.bytes);
    if (!Number.isFinite(bytes) || bytes < 0 || bytes > freeBytes(device)) return false;
    device.reservedBytes += bytes;
    this.entries.set(request.pid, { device, kind: 'reserved', bytes, leastBytes: bytes });
    this.onChange(device.nodeId, device.deviceId);
    return true;
  }

  /**
   * The process is ready and measured. More than it reserved is granted as far as it is free, so
   * that the promise to others holds; less is not taken back, since it may grow into it.
   */
  commit(pid: ProcessId, measuredBytes: number): void {
    const entry = this.entries.get(pid);
    if (entry === undefined || entry.kind === 'committed') return;
    const { device } = entry;
    device.reservedBytes -= entry.bytes;
    entry.kind = 'committed';
    device.committedBytes += entry.bytes;
    this.measure(pid, measuredBytes);
    entry.leastBytes = entry.bytes;
  }

  /**
   * A ready process was measured again: it grows as far as there is room, and gives back what it
   * grew by.
   */
  measure(pid: ProcessId, measuredBytes: number): void {
    const entry = this.entries.get(pid);
    if (entry?.kind !== 'committed') return;
    const wanted = Number.isFinite(measuredBytes) ? Math.ceil(measuredBytes) : 0;
    const grantable = Math.min(wanted, entry.bytes + freeBytes(entry.device));
    const bytes = Math.max(entry.leastBytes, grantable);
    if (bytes === entry.bytes) return;
    const { device } = entry;
    device.committedBytes += bytes - entry.bytes;
    entry.bytes = bytes;
    this.onChange(device.nodeId, device.deviceId);
  }

  /** Gives everything back; may be called twice. */
  release(pid: ProcessId): void {
    const entry = this.entries.get(pid);
    if (entry === undefined) return;
    this.entries.delete(pid);
    const { device } = entry;
    if (entry.kind === 'reserved') device.reservedBytes -= entry.bytes;
    else device.committedBytes -= entry.bytes;
    this.onChange(device.nodeId, device.deviceId);
  }

  bytesOf(pid: ProcessId): number {
    return this.entries.get(pid)?.bytes ?? 0;
  }

  balance(nodeId: NodeId, deviceId: string): DeviceBalance | undefined {
    const device = this.devices.get(deviceName(nodeId, deviceId));
    return device === undefined ? undefined : { ...device, freeBytes: freeBytes(device) };
  }

  holders(): ProcessId[] {
    return [...this.entries.keys()];
  }

  /** Every broken rule (K3). */
  violations(): string[] {
    const found: string[] = [];
    for (const [name, device] of this.devices) {
      const entries = [...this.entries.values()].filter((entry) => entry.device === device);
      const sum = (kind: Entry['kind']): number =>
        entries.filter((entry) => entry.kind === kind).reduce((total, one) => total + one.bytes, 0);
      if (sum('reserved') !== device.reservedBytes || sum('committed') !== device.committedBytes) {
        found.push(`K3: the sums of device ${name} differ from its entries`);
      }
      if (freeBytes(device) < 0) found.push(`K3: device ${name} is over-promised`);
    }
    return found;
  }
}

function deviceName(nodeId: NodeId, deviceId: string): string {
  return `${nodeId}/${deviceId}`;
}

function freeBytes(device: Device): number {
  return device.usableBytes - device.reservedBytes - device.committedBytes;
}

/** Messages of node agents: foreign until read here. Generated types stop in this file. */
import type {
  DeviceCapability,
  Epoch,
  ModelRegistration,
  NodeCapabilities,
  NodeId,
  ProcessId,
} from '@llmos/base';
import { quoteShort, tryToken } from '@llmos/base';
import type { node as wire } from '@llmos/proto';
import { EDGE_LIMITS } from '../../edge-limits';
import type {
  ProcessReport,
  ReportedContexts,
  ReportedMemory,
  ReportedProcess,
} from '../../kernel-event';
import type { ProcessAddress } from '../../kernel-decision';

/** A message that breaks the protocol; the stream that sent it is closed with this text. */
export class InvalidNodeMessage extends Error {}

export interface Registration {
  readonly nodeId: NodeId;
  readonly session: string;
  readonly capabilities: NodeCapabilities;
  readonly processes: readonly ReportedProcess[];
}

const PROVIDERS = ['cpu', 'webgpu', 'cuda'] as const;
const DEVICE_ID = /^[a-z]{1,16}(:\d{1,3})?$/;
const EXIT_REASONS = ['stopped', 'crashed', 'load-failed'] as const;

export function readRegistration(message: wire.Register): Registration {
  const capabilities: NodeCapabilities = {
    cores: count(message.cores, 'cores', EDGE_LIMITS.maxCores),
    memoryBytes: count(message.memoryBytes, 'memory_bytes'),
    devices: bounded(message.devices, 'devices', EDGE_LIMITS.maxDevices).map(readDevice),
    providers: bounded(message.providers, 'providers', EDGE_LIMITS.maxNodeEntries).map(cut),
    versions: readMap(message.versions, 'versions'),
    labels: readMap(message.labels, 'labels'),
  };
  const processes = bounded(message.processes, 'processes', EDGE_LIMITS.maxNodeProcesses);
  return {
    nodeId: token<NodeId>(message.node, 'node'),
    session: token(message.session, 'session'),
    capabilities,
    processes: processes.map(readProcessChange),
  };
}

export function readProcessChange(message: wire.ProcessChange): ReportedProcess {
  const { spec } = message;
  if (spec === undefined) throw new InvalidNodeMessage('a process without its spec');
  return {
    pid: token<ProcessId>(message.process, 'process'),
    incarnation: count(message.incarnation, 'incarnation'),
    report: readReport(message.state),
    target: text(spec.target, 'target', 129),
    device: device(spec.device),
    reservedBytes: count(spec.reservedBytes, 'reserved_bytes'),
  };
}

export function readFreeMemory(message: wire.NodeHeartbeat): number {
  return count(message.freeMemoryBytes, 'free_memory_bytes');
}

export function readMemory(message: wire.NodeHeartbeat): readonly ReportedMemory[] {
  return bounded(message.memory, 'memory', EDGE_LIMITS.maxNodeProcesses).map((of) => ({
    pid: token<ProcessId>(of.process, 'process'),
    incarnation: count(of.incarnation, 'incarnation'),
    residentBytes: count(of.residentBytes, 'resident_bytes'),
  }));
}

/** Undefined where the node did not measure it; a number of milliseconds that a clock can be off. */
export function readClockOffset(message: wire.NodeHeartbeat): number | undefined {
  const { clockOffsetMs } = message;
  if (clockOffsetMs === undefined) return undefined;
  if (Math.abs(clockOffsetMs) <= Number.MAX_SAFE_INTEGER) return clockOffsetMs;
  throw new InvalidNodeMessage(`clock_offset_ms is ${clockOffsetMs}, not a number of milliseconds`);
}

export function readContexts(message: wire.NodeHeartbeat): readonly ReportedContexts[] {
  return bounded(message.contexts, 'contexts', EDGE_LIMITS.maxNodeProcesses).map((of) => ({
    pid: token<ProcessId>(of.process, 'process'),
    incarnation: count(of.incarnation, 'incarnation'),
    contexts: {
      running: count(of.running, 'running'),
      waiting: count(of.waiting, 'waiting'),
      saved: count(of.saved, 'saved'),
      ...(of.maxRows === 0 ? {} : { maxRows: count(of.maxRows, 'max_rows') }),
      rowBytes: count(of.rowBytes, 'row_bytes'),
      savedBytes: count(of.savedBytes, 'saved_bytes'),
      prefixBytes: count(of.prefixBytes, 'prefix_bytes'),
    },
  }));
}

export function startMessage(of: {
  readonly epoch: Epoch;
  readonly to: ProcessAddress;
  readonly target: string;
  readonly registration: ModelRegistration | undefined;
  readonly device: string;
  readonly reservedBytes: number;
}): wire.KernelMessage {
  const { epoch, to, target, registration, device: deviceId, reservedBytes } = of;
  const spec: wire.ProcessSpec = {
    target,
    registrationJson: registration === undefined ? '' : JSON.stringify(registration),
    device: deviceId,
    reservedBytes,
  };
  const value = { process: to.pid, incarnation: to.incarnation, spec };
  return { epoch, message: { $case: 'start', value } };
}

export function stopMessage(epoch: Epoch, to: ProcessAddress, graceMs: number): wire.KernelMessage {
  const value = { process: to.pid, incarnation: to.incarnation, graceMs };
  return { epoch, message: { $case: 'stop', value } };
}

function readReport(state: wire.ProcessChange['state']): ProcessReport {
  switch (state?.$case) {
    case 'starting': {
      const { osPid, progress } = state.value;
      return {
        kind: 'starting',
        ...(osPid === 0 ? {} : { osPid }),
        ...(progress === '' ? {} : { progress: cut(progress) }),
      };
    }
    case 'ready': {
      const { osPid, permits, footprintBytes } = state.value;
      return {
        kind: 'ready',
        osPid: count(osPid, 'os_pid'),
        permits: count(permits, 'permits', EDGE_LIMITS.maxPermits),
        footprintBytes: count(footprintBytes, 'footprint_bytes'),
        device: device(state.value.device),
      };
    }
    case 'exited': {
      const { reason, message, retryable } = state.value;
      const known = EXIT_REASONS.find((name) => name === reason);
      if (known === undefined) throw new InvalidNodeMessage(`exit reason ${quoteShort(reason)}`);
      return { kind: 'exited', reason: known, message: cut(message), isRetryable: retryable };
    }
    case undefined:
      throw new InvalidNodeMessage('a process without a state');
  }
}

function readDevice(message: wire.Device): DeviceCapability {
  const provider = PROVIDERS.find((name) => name === message.provider);
  if (provider === undefined) {
    throw new InvalidNodeMessage(`provider ${quoteShort(message.provider)} of a device`);
  }
  return {
    id: device(message.id),
    provider,
    name: cut(message.name),
    capacityBytes: count(message.capacityBytes, 'capacity_bytes'),
  };
}

function readMap(entries: Record<string, string>, what: string): Record<string, string> {
  const all = bounded(Object.entries(entries), what, EDGE_LIMITS.maxNodeEntries);
  return Object.fromEntries(all.map(([name, value]) => [cut(name), cut(value)]));
}

function bounded<T>(list: readonly T[], what: string, most: number): readonly T[] {
  if (list.length <= most) return list;
  throw new InvalidNodeMessage(`${list.length} ${what}; at most ${most}`);
}

function token<T extends NodeId | ProcessId>(value: string, what: string): T {
  const found = tryToken<T>(value);
  if (found !== undefined) return found;
  throw new InvalidNodeMessage(`${what} ${quoteShort(value)} must match [A-Za-z0-9_-]{1,64}`);
}

function device(value: string): string {
  if (DEVICE_ID.test(value)) return value;
  throw new InvalidNodeMessage(`device ${quoteShort(value)} must be such as cpu or cuda:0`);
}

function text(value: string, what: string, maxChars: number): string {
  if (value.length > 0 && value.length <= maxChars) return value;
  throw new InvalidNodeMessage(`${what} ${quoteShort(value)} has ${value.length} characters`);
}

function count(value: number, what: string, most: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= 0 && value <= most) return value;
  throw new InvalidNodeMessage(`${what} is ${value}; it must be 0 to ${most}`);
}

function cut(value: string): string {
  return value.slice(0, EDGE_LIMITS.maxMessageChars);
}

/**
 * Messages between a node agent and the kernel as gRPC has them, both directions of each (see
 * base's node-protocol.ts). Generated types stop here.
 *
 * A node is foreign to the kernel: what breaks the protocol is an InvalidNodeMessage, and its text
 * closes the stream. An order that an agent can't read is undefined, but for its specification.
 */
import type {
  DeviceCapability,
  KernelCommand,
  ModelRegistration,
  NodeBeat,
  NodeCapabilities,
  NodeId,
  NodeMessage,
  NodeRegistration,
  ProcessId,
  ProcessReport,
  ProcessSpec,
  ReceivedCommand,
  ReportedContexts,
  ReportedMemory,
  ReportedProcess,
  Target,
  UnreadableSpec,
} from '@llmos/base';
import {
  cutText,
  parseTarget,
  programTarget,
  quoteShort,
  toErrorBody,
  tryToken,
} from '@llmos/base';
import type * as wire from '@llmos/proto/node';
import { CODEC_LIMITS } from './limits';

/** A message that breaks the protocol; the stream that sent it is closed with this text. */
export class InvalidNodeMessage extends Error {}

const PROVIDERS = ['cpu', 'webgpu', 'cuda'] as const;
/** Of any node. */
const DEVICE_ID = /^[a-z]{1,16}(:\d{1,3})?$/;
/** That an agent can open. */
const KNOWN_DEVICE = /^(?:cpu|webgpu:\d{1,3}|cuda:\d{1,3})$/;
const EXIT_REASONS = ['stopped', 'crashed', 'load-failed'] as const;

export function writeNodeMessage(message: NodeMessage): wire.NodeMessage {
  switch (message.kind) {
    case 'register':
      return { message: { $case: 'register', value: writeRegistration(message.registration) } };
    case 'heartbeat':
      return { message: { $case: 'heartbeat', value: writeBeat(message.beat) } };
    case 'process-changed':
      return { message: { $case: 'processChange', value: writeProcess(message.process) } };
  }
}

/** Undefined where a newer agent says more than this kernel knows. */
export function readNodeMessage({ message }: wire.NodeMessage): NodeMessage | undefined {
  switch (message?.$case) {
    case 'register':
      return { kind: 'register', registration: readRegistration(message.value) };
    case 'heartbeat':
      return { kind: 'heartbeat', beat: readBeat(message.value) };
    case 'processChange':
      return { kind: 'process-changed', process: readProcess(message.value) };
    case undefined:
      return undefined;
  }
}

function writeRegistration(of: NodeRegistration): wire.Register {
  const { cores, memoryBytes, devices, providers, versions, labels } = of.capabilities;
  return {
    node: of.nodeId,
    session: of.session,
    cores,
    memoryBytes,
    devices: devices.map((device) => ({ ...device })),
    providers: [...providers],
    versions: { ...versions },
    labels: { ...labels },
    processes: of.processes.map(writeProcess),
  };
}

function readRegistration(message: wire.Register): NodeRegistration {
  const capabilities: NodeCapabilities = {
    cores: count(message.cores, 'cores', CODEC_LIMITS.maxCores),
    memoryBytes: count(message.memoryBytes, 'memory_bytes'),
    devices: bounded(message.devices, 'devices', CODEC_LIMITS.maxDevices).map(readDevice),
    providers: bounded(message.providers, 'providers', CODEC_LIMITS.maxNodeEntries).map(cut),
    versions: readMap(message.versions, 'versions'),
    labels: readMap(message.labels, 'labels'),
  };
  const processes = bounded(message.processes, 'processes', CODEC_LIMITS.maxNodeProcesses);
  return {
    nodeId: token<NodeId>(message.node, 'node'),
    session: token(message.session, 'session'),
    capabilities,
    processes: processes.map(readProcess),
  };
}

function readDevice(message: wire.Device): DeviceCapability {
  const provider = PROVIDERS.find((name) => name === message.provider);
  if (provider === undefined) {
    throw new InvalidNodeMessage(`provider ${quoteShort(message.provider)} of a device`);
  }
  return {
    id: deviceId(message.id),
    provider,
    name: cut(message.name),
    capacityBytes: count(message.capacityBytes, 'capacity_bytes'),
  };
}

function writeProcess(process: ReportedProcess): wire.ProcessChange {
  const { pid, incarnation, target, device, reservedBytes } = process;
  return {
    process: pid,
    incarnation,
    state: writeReport(process.report),
    // The kernel has the registration itself; a node with many processes must fit one message.
    spec: { target, registrationJson: '', device, reservedBytes },
  };
}

function readProcess(message: wire.ProcessChange): ReportedProcess {
  const { spec } = message;
  if (spec === undefined) throw new InvalidNodeMessage('a process without its spec');
  return {
    pid: token<ProcessId>(message.process, 'process'),
    incarnation: count(message.incarnation, 'incarnation'),
    report: readReport(message.state),
    target: targetIn(spec.target),
    device: deviceId(spec.device),
    reservedBytes: count(spec.reservedBytes, 'reserved_bytes'),
  };
}

function writeReport(report: ProcessReport): wire.ProcessChange['state'] {
  switch (report.kind) {
    case 'starting': {
      const { osPid = 0, progress = '' } = report;
      return { $case: 'starting', value: { osPid, progress } };
    }
    case 'ready': {
      const { osPid, permits, footprintBytes, device } = report;
      return { $case: 'ready', value: { osPid, permits, footprintBytes, device } };
    }
    case 'exited': {
      const { reason, message, isRetryable } = report;
      return { $case: 'exited', value: { reason, message, retryable: isRetryable } };
    }
  }
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
        permits: count(permits, 'permits', CODEC_LIMITS.maxPermits),
        footprintBytes: count(footprintBytes, 'footprint_bytes'),
        device: deviceId(state.value.device),
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

function writeBeat(beat: NodeBeat): wire.NodeHeartbeat {
  const { freeMemoryBytes, clockOffsetMs } = beat;
  const contexts = beat.contexts.map(({ pid, incarnation, contexts: of }) => {
    const { running, waiting, saved, maxRows = 0, rowBytes, savedBytes, prefixBytes } = of;
    const more = { maxRows, rowBytes, savedBytes, prefixBytes };
    return { process: pid, incarnation, running, waiting, saved, ...more };
  });
  const memory = beat.memory.map(({ pid, incarnation, residentBytes }) => ({
    ...{ process: pid, incarnation, residentBytes },
  }));
  return {
    ...{ freeMemoryBytes, contexts, memory },
    ...(beat.isLeaving === true ? { leaving: true } : {}),
    ...(clockOffsetMs === undefined ? {} : { clockOffsetMs }),
  };
}

function readBeat(message: wire.NodeHeartbeat): NodeBeat {
  const clockOffsetMs = readClockOffset(message);
  return {
    freeMemoryBytes: count(message.freeMemoryBytes, 'free_memory_bytes'),
    contexts: bounded(message.contexts, 'contexts', CODEC_LIMITS.maxNodeProcesses).map(
      readContexts,
    ),
    memory: bounded(message.memory, 'memory', CODEC_LIMITS.maxNodeProcesses).map(readMemory),
    ...(message.leaving === true ? { isLeaving: true } : {}),
    ...(clockOffsetMs === undefined ? {} : { clockOffsetMs }),
  };
}

function readContexts(of: wire.NodeHeartbeat['contexts'][number]): ReportedContexts {
  return {
    pid: token<ProcessId>(of.process, 'process'),
    incarnation: count(of.incarnation, 'incarnation'),
    contexts: {
      running: count(of.running, 'running'),
      waiting: count(of.waiting, 'waiting'),
      saved: count(of.saved, 'saved'),
      // A node of before max_rows says 0.
      ...(of.maxRows === 0 ? {} : { maxRows: count(of.maxRows, 'max_rows') }),
      rowBytes: count(of.rowBytes, 'row_bytes'),
      savedBytes: count(of.savedBytes, 'saved_bytes'),
      prefixBytes: count(of.prefixBytes, 'prefix_bytes'),
    },
  };
}

function readMemory(of: wire.NodeHeartbeat['memory'][number]): ReportedMemory {
  return {
    pid: token<ProcessId>(of.process, 'process'),
    incarnation: count(of.incarnation, 'incarnation'),
    residentBytes: count(of.residentBytes, 'resident_bytes'),
  };
}

/** Undefined where the node did not measure it; a number of milliseconds that a clock can be off. */
function readClockOffset({ clockOffsetMs }: wire.NodeHeartbeat): number | undefined {
  if (clockOffsetMs === undefined) return undefined;
  if (Math.abs(clockOffsetMs) <= Number.MAX_SAFE_INTEGER) return clockOffsetMs;
  throw new InvalidNodeMessage(`clock_offset_ms is ${clockOffsetMs}, not a number of milliseconds`);
}

/** @param epoch of the leadership; 0 of a kernel that does not lead. */
export function writeKernelMessage(epoch: number, command: KernelCommand): wire.KernelMessage {
  return { epoch, message: writeCommand(command) };
}

function writeCommand(command: KernelCommand): wire.KernelMessage['message'] {
  switch (command.kind) {
    case 'welcome': {
      const { heartbeatMs, leaseMs } = command;
      return { $case: 'welcome', value: { heartbeatMs, leaseMs } };
    }
    case 'not-leader':
      return { $case: 'notLeader', value: { leaderUrl: command.leaderUrl ?? '' } };
    case 'start': {
      const { pid, incarnation, spec } = command;
      return { $case: 'start', value: { process: pid, incarnation, spec: writeSpec(spec) } };
    }
    case 'stop': {
      const { pid, incarnation, graceMs } = command;
      return { $case: 'stop', value: { process: pid, incarnation, graceMs } };
    }
  }
}

function writeSpec({ target, registration, device, reservedBytes }: ProcessSpec): wire.ProcessSpec {
  const registrationJson = registration === undefined ? '' : JSON.stringify(registration);
  return { target, registrationJson, device, reservedBytes };
}

/** @param parseRegistration checks what the agent needs of it; may throw. */
export function readKernelMessage(
  { message }: wire.KernelMessage,
  parseRegistration: (json: string) => ModelRegistration,
): ReceivedCommand | undefined {
  switch (message?.$case) {
    case 'welcome': {
      const { heartbeatMs, leaseMs } = message.value;
      const { leastHeartbeatMs, mostHeartbeatMs } = CODEC_LIMITS;
      const between = Math.min(Math.max(heartbeatMs, leastHeartbeatMs), mostHeartbeatMs);
      return { kind: 'welcome', heartbeatMs: between, leaseMs };
    }
    case 'notLeader':
      return { kind: 'not-leader', leaderUrl: readAddress(message.value.leaderUrl) };
    case 'start': {
      const pid = tryToken<ProcessId>(message.value.process);
      if (pid === undefined) return undefined;
      const { incarnation, spec } = message.value;
      return { kind: 'start', pid, incarnation, spec: readSpec(spec, parseRegistration) };
    }
    case 'stop': {
      const pid = tryToken<ProcessId>(message.value.process);
      if (pid === undefined) return undefined;
      const graceMs = Math.min(message.value.graceMs, CODEC_LIMITS.mostGraceMs);
      return { kind: 'stop', pid, incarnation: message.value.incarnation, graceMs };
    }
    default:
      return undefined;
  }
}

/** Of an order that can't be carried out: what is said of it must be readable itself. */
const UNREADABLE_TARGET = programTarget('unknown');

function readSpec(
  spec: wire.ProcessSpec | undefined,
  parseRegistration: (json: string) => ModelRegistration,
): ProcessSpec | UnreadableSpec {
  if (spec === undefined) {
    return { unreadable: 'the order has no specification', target: UNREADABLE_TARGET };
  }
  const { registrationJson, reservedBytes } = spec;
  const target = parseTarget(spec.target);
  if (target === undefined) {
    return { unreadable: `target is ${quoteShort(spec.target)}`, target: UNREADABLE_TARGET };
  }
  const device = spec.device === '' ? 'cpu' : spec.device;
  if (!KNOWN_DEVICE.test(device)) return { unreadable: `device is ${quoteShort(device)}`, target };
  if (registrationJson === '') return { target, device, reservedBytes };
  try {
    const registration = parseRegistration(registrationJson);
    return { target, registration, device, reservedBytes };
  } catch (thrown) {
    return { unreadable: toErrorBody(thrown).message, target };
  }
}

/** `host:port`, as gRPC dials it; undefined for anything else. */
export function readAddress(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 256) return undefined;
  return /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/.test(value) ? value : undefined;
}

function readMap(entries: Record<string, string>, what: string): Record<string, string> {
  const all = bounded(Object.entries(entries), what, CODEC_LIMITS.maxNodeEntries);
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

function deviceId(value: string): string {
  if (DEVICE_ID.test(value)) return value;
  throw new InvalidNodeMessage(`device ${quoteShort(value)} must be such as cpu or cuda:0`);
}

function targetIn(value: string): Target {
  const target = parseTarget(value);
  if (target !== undefined) return target;
  throw new InvalidNodeMessage(`target ${quoteShort(value)} is neither NAME@VERSION nor a program`);
}

function count(value: number, what: string, most: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= 0 && value <= most) return value;
  throw new InvalidNodeMessage(`${what} is ${value}; it must be 0 to ${most}`);
}

function cut(value: string): string {
  return cutText(value, CODEC_LIMITS.maxForeignTextChars);
}

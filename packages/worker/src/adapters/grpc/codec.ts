/** Node messages on the wire. What can't be read is undefined, never thrown. */
import type { NodeId, ProcessId } from '@llmos/base';
import { quoteShort, toErrorBody, tryToken } from '@llmos/base';
import type { node } from '@llmos/proto';
import { AGENT_LIMITS } from '../../limits';
import { parseRegistration } from '../../models/registration';
import type {
  KernelCommand,
  NodeBeat,
  NodeRegistration,
  ProcessChange,
  ProcessReport,
  ProcessSpec,
} from '../../ports/kernel-link';

export function readKernelMessage(message: node.KernelMessage): KernelCommand | undefined {
  const command = message.message;
  switch (command?.$case) {
    case 'welcome': {
      const { heartbeatMs, leaseMs } = command.value;
      const { leastHeartbeatMs, mostHeartbeatMs } = AGENT_LIMITS;
      const bounded = Math.min(Math.max(heartbeatMs, leastHeartbeatMs), mostHeartbeatMs);
      return { kind: 'welcome', heartbeatMs: bounded, leaseMs };
    }
    case 'notLeader':
      return { kind: 'not-leader', leaderUrl: readAddress(command.value.leaderUrl) };
    case 'start':
      return readStart(command.value);
    case 'stop': {
      const pid = tryToken<ProcessId>(command.value.process);
      if (pid === undefined) return undefined;
      const graceMs = Math.min(command.value.graceMs, AGENT_LIMITS.mostGraceMs);
      return { kind: 'stop', pid, incarnation: command.value.incarnation, graceMs };
    }
    default:
      return undefined;
  }
}

function readStart(start: node.StartProcess): KernelCommand | undefined {
  const pid = tryToken<ProcessId>(start.process);
  if (pid === undefined) return undefined;
  return { kind: 'start', pid, incarnation: start.incarnation, spec: readSpec(start.spec) };
}

const DEVICE = /^(?:cpu|webgpu:\d{1,3}|cuda:\d{1,3})$/;

function readSpec(
  spec: node.ProcessSpec | undefined,
): ProcessSpec | { unreadable: string; target: string } {
  if (spec === undefined) return { unreadable: 'the order has no specification', target: '' };
  const { target, registrationJson, reservedBytes } = spec;
  const device = spec.device === '' ? 'cpu' : spec.device;
  if (!DEVICE.test(device)) return { unreadable: `device is ${quoteShort(device)}`, target };
  if (registrationJson === '') return { target, device, reservedBytes };
  try {
    const registration = parseRegistration(registrationJson);
    return { target, registration, device, reservedBytes };
  } catch (thrown) {
    return { unreadable: toErrorBody(thrown).message, target };
  }
}

/** `host:port`, as gRPC dials it; undefined for anything else. */
export function readAddress(text: unknown): string | undefined {
  if (typeof text !== 'string' || text.length > 256) return undefined;
  return /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/.test(text) ? text : undefined;
}

export function writeRegistration(of: NodeRegistration): node.NodeMessage {
  const { cores, memoryBytes, devices, providers, versions, labels } = of.capabilities;
  return {
    message: {
      $case: 'register',
      value: {
        node: of.node satisfies NodeId,
        session: of.session,
        cores,
        memoryBytes,
        devices: devices.map((device) => ({ ...device })),
        providers: [...providers],
        versions: { ...versions },
        labels: { ...labels },
        processes: of.processes.map(writeChange),
      },
    },
  };
}

export function writeHeartbeat(beat: NodeBeat): node.NodeMessage {
  const { freeMemoryBytes } = beat;
  const contexts = beat.contexts.map(({ pid, incarnation, contexts: of }) => {
    const { running, waiting, saved, maxRows = 0, rowBytes, savedBytes, prefixBytes } = of;
    const more = { maxRows, rowBytes, savedBytes, prefixBytes };
    return { process: pid, incarnation, running, waiting, saved, ...more };
  });
  const memory = beat.memory.map(({ pid, incarnation, residentBytes }) => ({
    ...{ process: pid, incarnation, residentBytes },
  }));
  const { clockOffsetMs } = beat;
  const more = {
    ...(beat.isLeaving === true ? { leaving: true } : {}),
    ...(clockOffsetMs === undefined ? {} : { clockOffsetMs }),
  };
  const value = { freeMemoryBytes, contexts, memory, ...more };
  return { message: { $case: 'heartbeat', value } };
}

export function writeProcessChange(change: ProcessChange): node.NodeMessage {
  return { message: { $case: 'processChange', value: writeChange(change) } };
}

function writeChange(change: ProcessChange): node.ProcessChange {
  const { target, device, reservedBytes } = change.spec;
  return {
    process: change.pid,
    incarnation: change.incarnation,
    state: writeReport(change.report),
    // The kernel has the registration itself; a node with many processes must fit one message.
    spec: { target, registrationJson: '', device, reservedBytes },
  };
}

function writeReport(report: ProcessReport): node.ProcessChange['state'] {
  switch (report.kind) {
    case 'starting': {
      const { osPid, progress } = report;
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

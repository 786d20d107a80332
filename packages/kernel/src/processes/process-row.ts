/** A process as `ps` shows it. */
import type { ProcessRow } from '@llmos/base';
import type { Process } from './process';

export function processRow(process: Process, queued: number): ProcessRow {
  const { state } = process;
  const reason =
    state.kind === 'draining'
      ? state.reason
      : state.kind === 'backing-off'
        ? state.message
        : undefined;
  return {
    pid: process.pid,
    ...(process.osPid === undefined ? {} : { osPid: process.osPid }),
    model: process.target,
    node: process.nodeId,
    state: state.kind,
    incarnation: process.incarnation,
    device: process.runsOn ?? process.deviceId,
    running: process.running.size,
    permits: process.permits,
    queued,
    footprintBytes: process.residentBytes ?? (process.footprintBytes || process.reservedBytes),
    ...(process.contexts === undefined ? {} : { contexts: process.contexts }),
    ...(reason === undefined ? {} : { reason }),
  };
}

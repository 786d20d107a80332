/** A process as `ps` shows it. */
import type { ProcessRow } from '@llmos/base';
import type { Process } from './process';

export function processRow(process: Process, queued: number): ProcessRow {
  const { state } = process;
  const reason = reasonOf(process);
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

function reasonOf({ state, deaf }: Process): string | undefined {
  if (state.kind === 'draining') return state.reason;
  if (state.kind === 'backing-off') return state.message;
  // The first heartbeat to a new leader comes before it has heard of that one.
  if (deaf === undefined || deaf.beats < 2) return undefined;
  return `obeys epoch ${deaf.epoch} instead of its leader's`;
}

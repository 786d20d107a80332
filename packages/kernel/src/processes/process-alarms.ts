/** What time alone does to a process: slow loads, silence, lost commands, idleness. */
import { emit, type KernelState } from '../kernel-state';
import type { Process } from './process';
import { isSpare } from '../scheduling/demand';
import { addressOf, armProcess, drainProcess, sendStop } from './process-life';

export function wakeProcess(state: KernelState, process: Process): void {
  const { nowMs } = state.now;
  const current = process.state;
  if (current.kind === 'starting' && nowMs >= current.giveUpAtMs) {
    drainProcess(state, process, { reason: 'load-timeout', graceMs: 0 });
  } else if (current.kind === 'draining' && current.isFinishing) {
    if (isSilent(state, process)) drainProcess(state, process, { reason: 'silent', graceMs: 0 });
  } else if (current.kind === 'draining' && nowMs >= current.nextSendAtMs) {
    sendStop(state, process);
  } else if (current.kind === 'ready') {
    watchReady(state, process);
  }
  armProcess(state, process);
}

function watchReady(state: KernelState, process: Process): void {
  const { nowMs } = state.now;
  const { idleStopMs, repeatMs } = state.config;
  const hasReason = process.running.size > 0 || !process.isReconciled;
  if (hasReason && isSilent(state, process)) {
    drainProcess(state, process, { reason: 'silent', graceMs: 0 });
    return;
  }
  if (!process.isReconciled && nowMs >= process.nextGreetAtMs) {
    process.nextGreetAtMs = nowMs + repeatMs / 2;
    emit(state, { kind: 'greet-process', to: addressOf(process) });
  }
  const { idleSinceMs } = process;
  const isIdleTooLong =
    idleStopMs !== undefined && idleSinceMs !== undefined && nowMs - idleSinceMs >= idleStopMs;
  if (isIdleTooLong && isSpare(state, process)) {
    drainProcess(state, process, { reason: 'idle', graceMs: state.config.killGraceMs });
  }
}

function isSilent(state: KernelState, process: Process): boolean {
  return state.now.nowMs - process.lastHeardMs >= state.config.processSilenceMs;
}

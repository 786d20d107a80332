/**
 * The first seconds of a leadership: tasks that may run somewhere are held until the nodes had time
 * to attach and their processes to say what they run. Tasks stored later are not held.
 */
import type { KernelEvent } from '../kernel-event';
import type { LeaderFact } from '../kernel-fact';
import { emit, type KernelState } from '../kernel-state';
import type { Task } from '../tasks/task';
import { readyTask } from '../tasks/queueing';
import { beginRelease } from './sweeps';

export function beginLeadership(
  state: KernelState,
  event: Extract<KernelEvent, { kind: 'leadership-began' }>,
): void {
  state.epoch = event.epoch;
  state.kernelId = event.kernelId;
  state.recoverUpToSequence = event.recoverUpToSequence;
  if (event.recoverUpToSequence > 0) {
    state.recovery = {
      kind: 'recovering',
      startedAtMs: state.now.nowMs,
      lastAttachMs: undefined,
    };
    state.lastRecoveredIntakeMs = state.now.nowMs;
  }
  const { recoverUpToSequence } = event;
  const fact = { kind: 'kernel-leadership-began', ...leader(state), recoverUpToSequence } as const;
  emit(state, { kind: 'announce', fact });
}

/** Ends the recovery once everyone that attached has answered, or its time is over. */
export function checkRecovery(state: KernelState): void {
  const { recovery } = state;
  if (recovery.kind === 'over' || state.now.nowMs < recoveryEndMs(state)) return;
  state.recovery = { kind: 'over' };
  const elapsedMs = state.now.nowMs - recovery.startedAtMs;
  const fact = { kind: 'kernel-recovered', ...leader(state), elapsedMs } as const;
  emit(state, { kind: 'announce', fact });
  beginRelease(state);
}

/** A task that was held may go. */
export function releaseTask(state: KernelState, task: Task): boolean {
  if (task.state.kind !== 'held') return false;
  readyTask(state, task);
  return true;
}

/** When the recovery is over if nothing more is heard; infinite where it is over already. */
export function recoveryEndMs(state: KernelState): number {
  const { recovery, config } = state;
  if (recovery.kind === 'over') return Number.POSITIVE_INFINITY;
  const boundMs = recovery.startedAtMs + config.recoveryWaitMs;
  if (recovery.lastAttachMs === undefined || hasSilentProcess(state)) return boundMs;
  return Math.min(boundMs, recovery.lastAttachMs + config.recoverySettleMs);
}

function hasSilentProcess(state: KernelState): boolean {
  return state.processes
    .all()
    .some((process) => process.state.kind === 'ready' && !process.isReconciled);
}

function leader(state: KernelState): Pick<LeaderFact, 'id' | 'epoch'> {
  return { id: state.kernelId ?? 'unknown', epoch: state.epoch };
}

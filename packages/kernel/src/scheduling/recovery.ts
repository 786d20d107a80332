/**
 * The first seconds of a leadership: tasks that may run somewhere are held until the nodes had time
 * to attach and their processes to say what they run. Tasks stored later are not held.
 */
import type { KernelEvent } from '../kernel-event';
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
  announceKernel(state, 'leadership-began', { recoverUpToSequence: event.recoverUpToSequence });
}

/** Ends the recovery once everyone that attached has answered, or its time is over. */
export function checkRecovery(state: KernelState): void {
  const { recovery } = state;
  if (recovery.kind === 'over' || state.now.nowMs < recoveryEndMs(state)) return;
  state.recovery = { kind: 'over' };
  announceKernel(state, 'recovered', { elapsedMs: state.now.nowMs - recovery.startedAtMs });
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

function announceKernel(
  state: KernelState,
  what: string,
  fields: Readonly<Record<string, unknown>>,
): void {
  emit(state, {
    kind: 'announce',
    principal: 'system',
    entity: 'kernel',
    id: state.kernelId ?? 'unknown',
    what,
    fields: { epoch: state.epoch, ...fields },
  });
}

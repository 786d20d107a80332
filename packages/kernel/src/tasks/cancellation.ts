/** Cancels and expiries: what waits ends at once, what runs is asked to stop within a bound. */
import type { FunctionName, TaskId, TenantCaller, TenantId } from '@llmos/base';
import { errorBody, failure } from '@llmos/base';
import { emit, type KernelState } from '../kernel-state';
import type { RunningState, StopReason, Task } from './task';
import { isOpen } from './task';
import type { CancelCause } from './cancel-walks';
import { beginCallerCancel, beginFamilyCancel } from '../scheduling/sweeps';
import { endStopped } from './task-end';
import { armTask, attemptRef } from './task-moves';

/** Cancels a task and everything whose parent or root it is. */
export function cancelTask(state: KernelState, tenant: TenantId, id: TaskId): void {
  // Remembered also for a live one: children of it may still come in.
  state.cancelled.set(tenant, id, state.now.nowMs);
  const task = state.tasks.find(tenant, id);
  if (task === undefined) commitEarlyCancel(state, tenant, id);
  else stopTask(state, task, 'CANCELLED');
  beginFamilyCancel(state, tenant, id);
}

/** Cancels what is bound to the caller, with everything whose parent or root that is. */
export function loseCaller(state: KernelState, of: TenantCaller): void {
  beginCallerCancel(state, of);
}

/** One of a family whose root was cancelled, or one that a caller which is gone waited for. */
export function cancelMember(state: KernelState, member: Task, cause: CancelCause): void {
  const { tenant, id } = member.spec;
  if (cause === 'CANCELLED') state.cancelled.set(tenant, id, state.now.nowMs);
  // Not remembered otherwise: the client may be back and send the same id again.
  else if (isOpen(member) && !isStopping(member)) state.callerGoneCount += 1;
  stopTask(state, member, cause);
}

function isStopping({ state }: Task): boolean {
  return state.kind === 'running' && state.stop !== undefined;
}

/** Does nothing to a task whose end began. */
export function stopTask(state: KernelState, task: Task, reason: StopReason): void {
  if (!isOpen(task)) return;
  if (task.state.kind !== 'running') {
    endStopped(state, task, reason);
    return;
  }
  if (task.state.stop !== undefined) return;
  const giveUpAtMs = state.now.nowMs + state.config.cancelBoundMs;
  task.state.stop = { reason, giveUpAtMs, nextSendAtMs: state.now.nowMs };
  sendStop(state, task, task.state);
}

/** Asks the host again, or ends the task without it once the bound passed. */
export function pursueStop(state: KernelState, task: Task, running: RunningState): void {
  const { stop } = running;
  if (stop === undefined) return;
  if (state.now.nowMs >= stop.giveUpAtMs) endStopped(state, task, stop.reason);
  else if (state.now.nowMs >= stop.nextSendAtMs) sendStop(state, task, running);
}

function sendStop(state: KernelState, task: Task, running: RunningState): void {
  const { stop, place } = running;
  if (stop === undefined) return;
  stop.nextSendAtMs = state.now.nowMs + state.config.repeatMs;
  emit(state, {
    kind: 'cancel-attempt',
    to: place,
    attempt: attemptRef(task),
    reason: stop.reason === 'DEADLINE_EXCEEDED' ? 'DEADLINE_EXCEEDED' : 'CANCELLED',
  });
  armTask(state, task);
}

/** Stands for that of a task which has not come in. */
const UNKNOWN_FUNCTION = 'unknown' as FunctionName;

/**
 * Durable also for a task that is not taken in yet: its result is there before it comes. Where very
 * many are on their way, it is only remembered; whoever waits for its end asks again.
 */
function commitEarlyCancel(state: KernelState, tenant: TenantId, task: TaskId): void {
  if (!state.earlyCancels.tryBegin(tenant, task)) return;
  emit(state, {
    kind: 'commit-result',
    as: 'early',
    of: { tenant, id: task, function: UNKNOWN_FUNCTION, format: 'json', sequence: 0 },
    class: 'interactive',
    result: failure(errorBody('CANCELLED', `task ${task} was cancelled`)),
  });
}

/** Cancels and expiries: what waits ends at once, what runs is asked to stop within a bound. */
import type { FunctionName, TaskId, TenantId } from '@llmos/base';
import { errorBody, failure } from '@llmos/base';
import { emit, type KernelState } from '../kernel-state';
import type { RunningState, StopReason, Task } from '../tasks/task';
import { isOpen } from '../tasks/task';
import { stopError } from '../tasks/task-outcomes';
import { taskName } from '../tasks/task-table';
import { beginFamilyCancel } from './sweeps';
import { endTask } from './task-end';
import { armTask, attemptRef } from './task-moves';

/** Cancels a task and everything whose parent or root it is. */
export function cancelTask(state: KernelState, tenant: TenantId, id: TaskId): void {
  // Remembered also for a live one: children of it may still come in.
  state.cancelled.set(taskName(tenant, id), state.now.nowMs);
  const task = state.tasks.find(tenant, id);
  if (task === undefined) commitEarlyCancel(state, tenant, id);
  else stopTask(state, task, 'CANCELLED');
  beginFamilyCancel(state, tenant, id);
}

/** One of a family whose root was cancelled. */
export function cancelMember(state: KernelState, member: Task): void {
  const { tenant, id } = member.spec;
  state.cancelled.set(taskName(tenant, id), state.now.nowMs);
  stopTask(state, member, 'CANCELLED');
}

/** Does nothing to a task whose end began. */
export function stopTask(state: KernelState, task: Task, reason: StopReason): void {
  if (!isOpen(task)) return;
  if (task.state.kind !== 'running') {
    endTask(state, task, stopError(reason, task));
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
  if (state.now.nowMs >= stop.giveUpAtMs) endTask(state, task, stopError(stop.reason, task));
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
    reason: stop.reason,
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
  if (state.commits.isFull) return;
  state.commits.begin();
  emit(state, {
    kind: 'commit-result',
    as: 'early',
    of: { tenant, id: task, function: UNKNOWN_FUNCTION, format: 'json', sequence: 0 },
    class: 'interactive',
    result: failure(errorBody('CANCELLED', `task ${task} was cancelled`)),
  });
}

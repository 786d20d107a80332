/** A routed task finds its place: behind its key, where it runs already, or in line. */
import type { KernelState } from '../kernel-state';
import type { Process } from '../processes/process';
import { WAITING_STATES, type Task } from './task';
import { taskName } from './task-table';
import { hasApartTask, moveTask, runningState } from './task-moves';

export function readyTask(state: KernelState, task: Task): void {
  if (!state.chains.isFirst(task)) {
    moveTask(state, task, WAITING_STATES.blocked);
    return;
  }
  if (tryAdopt(state, task)) return;
  const isHeld = task.mayRunElsewhere && state.recovery.kind === 'recovering';
  moveTask(state, task, isHeld ? WAITING_STATES.held : WAITING_STATES.queued);
}

/** Takes over an attempt that an earlier leader started and a process still names. */
export function tryAdopt(state: KernelState, task: Task): boolean {
  if (!task.mayRunElsewhere || task.target === undefined) return false;
  const name = taskName(task.spec.tenant, task.spec.id);
  for (const process of state.processes.ofTarget(task.target)) {
    const attempt = process.foreign.get(name);
    // A lower number was replaced by an attempt that is on record.
    if (attempt === undefined || attempt < task.attempt) continue;
    if (!canHold(state, process, task)) continue;
    state.processes.removeForeign(process, name);
    task.attempt = attempt;
    task.mayRunElsewhere = false;
    task.hasAttemptRow = task.hasAttemptRow || attempt > 1;
    const { nowMs } = state.now;
    moveTask(state, task, runningState({ process, nowMs, isAccepted: true }));
    return true;
  }
  return false;
}

function canHold(state: KernelState, process: Process, task: Task): boolean {
  const kind = process.state.kind;
  if (kind !== 'ready' && kind !== 'draining') return false;
  if (process.running.size >= process.permits || hasApartTask(state, process)) return false;
  return !task.isApart || process.running.size === 0;
}

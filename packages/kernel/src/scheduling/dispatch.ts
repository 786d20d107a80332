/**
 * Sends queued tasks to processes: the most urgent first, one permit each; some permits are kept
 * for the classes above, and for other tenants.
 */
import type { Target } from '@llmos/base';
import { backoffMs } from '@llmos/base';
import { emit, type KernelState } from '../kernel-state';
import { freePermits, freePermitsFor, type Process } from '../processes/process';
import type { RunningState, Task } from '../tasks/task';
import { stopTask } from '../tasks/cancellation';
import { preemptFor } from './preemption';
import { goesBefore } from './queue-policy';
import { hasApartTask, moveTask, runningState } from '../tasks/task-moves';

/** Looks only at targets of which a process may take more than before. */
export function dispatchTasks(state: KernelState): void {
  const targets = state.queue.byUrgency(state.offers);
  state.offers.clear();
  for (const target of targets) {
    for (let choice = choose(state, target); choice !== undefined; choice = choose(state, target)) {
      dispatch(state, choice);
    }
    preemptFor(state, target);
  }
}

/** Sends the attempt, or sends it again: processes take it once. */
export function sendExecute(
  state: KernelState,
  task: Task,
  running: RunningState,
  queuedMs?: number,
): void {
  running.sendCount += 1;
  running.nextSendAtMs =
    state.now.nowMs + backoffMs(state.config.executeBackoff, running.sendCount);
  emit(state, {
    kind: 'execute',
    to: running.place,
    spec: task.spec,
    attempt: task.attempt,
    deadlineWallMs: task.deadlineWallMs,
    ...(queuedMs === undefined ? {} : { queuedMs }),
  });
}

interface Choice {
  readonly task: Task;
  readonly process: Process;
}

function dispatch(state: KernelState, choice: Choice): void {
  const { task, process } = choice;
  if (state.now.wallMs >= task.deadlineWallMs) {
    // Its alarm is a moment late.
    stopTask(state, task, 'DEADLINE_EXCEEDED');
    return;
  }
  task.mayRunElsewhere = false;
  const running = runningState({ process, nowMs: state.now.nowMs, isAccepted: false });
  const queuedMs = Math.max(0, state.now.wallMs - task.spec.storedWallMs);
  sendExecute(state, task, running, task.attempt === 1 ? queuedMs : undefined);
  state.queue.serve(task);
  moveTask(state, task, running);
  state.services.began(process.target, state.now.nowMs);
}

/** The most urgent task that some process of the target may take now. */
function choose(state: KernelState, target: Target): Choice | undefined {
  let best: Choice | undefined;
  for (const process of state.processes.ofTarget(target)) {
    if (freePermits(process) === 0 || hasApartTask(state, process)) continue;
    const task = nextFor(state, target, process);
    if (task === undefined) continue;
    // Less urgent work must not slip past an apart task, or the process would never be empty.
    if (task.isApart && process.running.size + process.foreign.size > 0) continue;
    const choice = { task, process };
    if (best === undefined || isBetter(state, choice, best)) best = choice;
  }
  return best;
}

function nextFor(state: KernelState, target: Target, process: Process): Task | undefined {
  const task = state.queue.bestFor(target, process.pid);
  if (task === undefined || freePermitsFor(process, task.spec) > 0) return task;
  // Only one tenant can have all that one may have: then it is the next one's turn.
  const other = state.queue.bestFor(target, process.pid, task.spec.tenant);
  return other !== undefined && freePermitsFor(process, other.spec) > 0 ? other : undefined;
}

function isBetter({ policy }: KernelState, a: Choice, b: Choice): boolean {
  if (a.task !== b.task) return goesBefore(policy, a.task, b.task);
  // What was given back goes on fastest where it ran before.
  if (b.process.pid === b.task.ranAt) return false;
  if (a.process.pid === a.task.ranAt) return true;
  return freePermits(a.process) > freePermits(b.process);
}

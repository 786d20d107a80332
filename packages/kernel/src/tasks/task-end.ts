/**
 * How tasks end: the kernel's own result is committed first (`endTask`), or one is there already
 * (`finishTask`); only then is the message acknowledged (invariant K6).
 */
import type { ErrorBody } from '@llmos/base';
import { NO_COST, failure, roundedCost } from '@llmos/base';
import type { TaskFact } from '../kernel-fact';
import { emit, type KernelState } from '../kernel-state';
import { isServing } from '../processes/process';
import type { TargetBlock } from '../processes/target-blocks';
import { isAnswered, type EndSummary, type StopReason, type Task } from './task';
import { stopError } from './task-outcomes';
import { taskName } from './task-table';
import { readyTask } from './queueing';
import { attemptRef, moveTask, processAt } from './task-moves';

/** Ends a task with an error of the kernel. What runs of it is told to stop. */
export function endTask(state: KernelState, task: Task, error: ErrorBody): void {
  abandonAttempt(state, task);
  moveTask(state, task, { kind: 'committing', result: failure(error), as: 'end' });
  state.commits.push(task);
}

/**
 * Ends a task that was stopped. Where its caller is gone, the end is an answer to nobody and not
 * the result: a client that comes back with the same id is served anew.
 */
export function endStopped(state: KernelState, task: Task, reason: StopReason): void {
  const error = stopError(reason, task, blockOf(state, task));
  if (reason !== 'CALLER_GONE') return endTask(state, task, error);
  abandonAttempt(state, task);
  refuseTask(state, task, error);
}

/** Why no process could take it so far. */
function blockOf(state: KernelState, task: Task): TargetBlock | undefined {
  const { target } = task;
  if (target === undefined) return undefined;
  const isServed = state.processes.ofTarget(target).some(isServing);
  return task.state.kind !== 'queued' || isServed ? undefined : state.blocks.get(target);
}

/** Ends a task that a limit keeps out: its id may be used again at once. */
export function refuseTask(state: KernelState, task: Task, error: ErrorBody): void {
  moveTask(state, task, { kind: 'committing', result: failure(error), as: 'refused' });
  state.commits.push(task);
}

/** Asks for the results of those that end, as many as may be on their way at once. */
export function flushCommits(state: KernelState): void {
  for (let task = state.commits.next(); task !== undefined; task = state.commits.next()) {
    // Its result may have come from elsewhere meanwhile.
    if (task.state.kind !== 'committing') continue;
    const { result, as } = task.state;
    state.commits.begin();
    emit(state, { kind: 'commit-result', of: task.spec, class: task.spec.class, result, as });
  }
}

/** Stores a dead letter first; then the task ends with the error. */
export function deadLetterTask(
  state: KernelState,
  task: Task,
  why: { readonly reason: string; readonly error: ErrorBody },
): void {
  const { reason, error } = why;
  moveTask(state, task, { kind: 'dead-lettering', error });
  const { spec, attempt: attempts, failures } = task;
  emit(state, { kind: 'store-dead-letter', spec, reason, attempts, lastError: error, failures });
}

/** Some result of it is stored. @param how `known` where somebody else has announced its end. */
export function finishTask(state: KernelState, task: Task, how: EndSummary | 'known'): void {
  abandonAttempt(state, task);
  state.progress += 1;
  if (how !== 'known') announceEnd(state, task, how);
  if (!isAnswered(task)) {
    // Deleting the row before its write is answered would leave it behind for ever; an answer that
    // comes later could be taken for one about the same message, delivered again.
    moveTask(state, task, { kind: 'settling' });
    return;
  }
  retire(state, task);
}

/** Acknowledges the message and forgets the task; the next one of its key may go. */
export function retire(state: KernelState, task: Task): void {
  const { tenant, id, sequence, hasOwnId } = task.spec;
  if (hasOwnId) state.endedIds.set(taskName(tenant, id), true);
  emit(state, {
    kind: 'acknowledge',
    sequence,
    ...(task.hasAttemptRow ? { forget: { tenant, task: id } } : {}),
  });
  if (task.repeat !== undefined)
    emit(state, { kind: 'acknowledge', sequence: task.repeat.sequence });
  const next = leaveTables(state, task);
  if (next?.state.kind === 'blocked') readyTask(state, next);
}

/** Forgets the task. @returns the one of its key that is first now. */
export function leaveTables(state: KernelState, task: Task): Task | undefined {
  moveTask(state, task, { kind: 'gone' });
  state.tasks.remove(task);
  state.callers.remove(task);
  return state.chains.remove(task);
}

/**
 * The task goes on without its running attempt. The process is told, and the attempt keeps taking
 * room there until a heartbeat no longer names it.
 */
export function abandonAttempt(state: KernelState, task: Task): void {
  if (task.state.kind !== 'running') return;
  const { place } = task.state;
  const process = processAt(state, place);
  if (process === undefined) return;
  state.processes.addForeign(process, taskName(task.spec.tenant, task.spec.id), task.attempt);
  emit(state, {
    kind: 'cancel-attempt',
    to: place,
    attempt: attemptRef(task),
    reason: 'ABORTED',
  });
}

function announceEnd(state: KernelState, task: Task, how: EndSummary): void {
  const { spec } = task;
  const ended = {
    tenant: spec.tenant,
    id: spec.id,
    function: spec.function,
    class: spec.class,
    attempts: task.attempt,
    ageMs: Math.max(0, Math.round(state.now.wallMs - spec.storedWallMs)),
  };
  const code = how.code === undefined ? {} : { code: how.code };
  const cost = task.cost === NO_COST ? {} : roundedCost(task.cost);
  const fact: TaskFact = how.ok
    ? { kind: 'task-completed', ...ended, ...cost }
    : { kind: 'task-failed', ...ended, ...code, ...cost };
  emit(state, { kind: 'announce', fact });
}

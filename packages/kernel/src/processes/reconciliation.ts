/**
 * Compares what a process says it runs with what it should run, at every heartbeat: lost messages
 * of either direction are repaired here within two heartbeats.
 */
import type { AttemptRef } from '@llmos/base';
import type { KernelEvent, ReportOrigin, RunningAttempt } from '../kernel-event';
import { emit, type KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import type { Process } from './process';
import type { RunningState, Task } from '../tasks/task';
import { isOpen } from '../tasks/task';
import { taskName } from '../tasks/task-table';
import { confirmFinished, hear, markAccepted } from '../tasks/attempts';
import { chargeAttempt } from '../tasks/costs';
import { sendExecute } from '../scheduling/dispatch';
import { judgeObedience } from './obedience';
import { readyTask } from '../tasks/queueing';
import { endStopped } from '../tasks/task-end';
import { armTask } from '../tasks/task-moves';

export function applyHeartbeat(
  state: KernelState,
  event: Extract<KernelEvent, { kind: 'process-heartbeat' }>,
): void {
  const { origin, running } = event;
  const process = hear(state, origin);
  if (process === undefined) return;
  judgeObedience(state, process, event);
  const named = running.slice(0, CORE_LIMITS.maxReportedAttempts);
  const names = new Set(named.map((attempt) => taskName(attempt.tenant, attempt.task)));
  for (const name of process.settled.keys()) if (!names.has(name)) process.settled.delete(name);
  state.processes.reconcile(process);
  for (const attempt of named) applyNamed(state, process, attempt);
  for (const sequence of [...process.running]) {
    const task = state.tasks.get(sequence);
    if (task?.state.kind !== 'running') continue;
    if (!names.has(taskName(task.spec.tenant, task.spec.id))) noteMissed(state, task, task.state);
  }
}

function applyNamed(state: KernelState, process: Process, attempt: RunningAttempt): void {
  const name = taskName(attempt.tenant, attempt.task);
  const task = state.tasks.find(attempt.tenant, attempt.task);
  if (task?.state.kind === 'running' && isHere(task, task.state, process, attempt)) {
    task.state.missedHeartbeats = 0;
    if (task.state.acceptedAtMs === undefined) markAccepted(state, task, task.state);
    chargeAttempt(state, { task, state: task.state }, attempt.cost);
    return;
  }
  if (process.settled.get(name) === attempt.attempt) {
    confirmFinished(state, addressOf(process), attempt);
    return;
  }
  state.processes.addForeign(process, name, attempt.attempt);
  if (task !== undefined && task.mayRunElsewhere && isOpen(task)) {
    const kind = task.state.kind;
    // Adopts it where it can; else it is queued or held again as before.
    if (kind === 'queued' || kind === 'held') readyTask(state, task);
    if (attempt.attempt >= task.attempt) return;
  }
  if (task === undefined && !isIntakeQuiet(state)) return;
  state.reconciled.refused += 1;
  emit(state, { kind: 'cancel-attempt', to: addressOf(process), attempt, reason: 'ABORTED' });
}

function isHere(task: Task, running: RunningState, process: Process, attempt: AttemptRef): boolean {
  return (
    running.place.pid === process.pid &&
    running.place.incarnation === process.incarnation &&
    task.attempt === attempt.attempt
  );
}

function noteMissed(state: KernelState, task: Task, running: RunningState): void {
  const { nowMs } = state.now;
  if (running.acceptedAtMs === undefined) return;
  // Heartbeats that were held up come together: only those of different times count.
  if (nowMs - Math.max(running.acceptedAtMs, running.missedAtMs) < state.config.repeatMs / 2)
    return;
  running.missedAtMs = nowMs;
  running.missedHeartbeats += 1;
  if (running.missedHeartbeats < CORE_LIMITS.missedBeforeResend) return;
  // The alarm of its deadline may be a moment late.
  const isLate = state.now.wallMs >= task.deadlineWallMs;
  const reason = running.stop?.reason ?? (isLate ? 'DEADLINE_EXCEEDED' : undefined);
  if (reason !== undefined) {
    // It is not there any more, so there is nothing to wait for.
    endStopped(state, task, reason);
    return;
  }
  running.acceptedAtMs = undefined;
  running.askedAtMs = nowMs;
  running.sendCount = 0;
  running.missedHeartbeats = 0;
  state.reconciled.resent += 1;
  sendExecute(state, task, running);
  armTask(state, task);
}

/** Every old task had its chance to come in and claim its attempt. */
function isIntakeQuiet(state: KernelState): boolean {
  if (state.recovery.kind === 'recovering') return false;
  return state.now.nowMs - state.lastRecoveredIntakeMs >= CORE_LIMITS.intakeQuietMs;
}

function addressOf(process: Process): ReportOrigin {
  return { nodeId: process.nodeId, pid: process.pid, incarnation: process.incarnation };
}

/** What processes say of attempts: accepted, finished, preempted; and what follows a failure. */
import type { AttemptCost, AttemptEnd, AttemptRef, ErrorBody } from '@llmos/base';
import { assertNever, errorBody } from '@llmos/base';
import type { ReportOrigin } from '../kernel-event';
import { emit, type KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import type { Process } from '../processes/process';
import type { EndSummary, RunningState, Task } from './task';
import { judgeFailure, shorten, stopError, withFailure } from './task-outcomes';
import { taskName } from './task-table';
import { chargeAttempt } from './costs';
import { readyTask, tryAdopt } from './queueing';
import { deadLetterTask, endStopped, endTask, finishTask } from './task-end';
import { armTask, leaveProcess, moveTask, processAt } from './task-moves';
import { measureService } from '../scheduling/turn-estimate';

export function applyAccepted(state: KernelState, origin: ReportOrigin, attempt: AttemptRef): void {
  hear(state, origin);
  const running = runningAt(state, origin, attempt);
  if (running === undefined || running.state.acceptedAtMs !== undefined) return;
  markAccepted(state, running.task, running.state);
}

export interface FinishedReport {
  readonly origin: ReportOrigin;
  readonly attempt: AttemptRef;
  readonly outcome: AttemptEnd;
  readonly cost?: AttemptCost;
}

export function markAccepted(state: KernelState, task: Task, running: RunningState): void {
  running.acceptedAtMs = state.now.nowMs;
  running.missedHeartbeats = 0;
  state.progress += 1;
  armTask(state, task);
}

/** Confirms every time, also repeats and stale ones: the process forgets only what is confirmed. */
export function applyFinished(state: KernelState, report: FinishedReport): void {
  const { origin, attempt, outcome } = report;
  confirmFinished(state, origin, attempt);
  const process = hear(state, origin);
  if (process !== undefined) settle(state, process, attempt);
  const running = runningAt(state, origin, attempt);
  if (running !== undefined) chargeAttempt(state, running, report.cost);
  const task = state.tasks.find(attempt.tenant, attempt.task);
  if (task === undefined || task.state.kind === 'settling') return;
  if (outcome.kind === 'committed') {
    applyCommitted(state, task, { origin, attempt, outcome });
    return;
  }
  if (running === undefined) return;
  applyUnstored(state, running, outcome);
}

/** Also of a stale attempt: the result is there, whoever made it. */
function applyCommitted(
  state: KernelState,
  task: Task,
  report: FinishedReport & { readonly outcome: Extract<AttemptEnd, { kind: 'committed' }> },
): void {
  const { ok, errorCode: code } = report.outcome;
  const summary: EndSummary = code === undefined ? { ok } : { ok, code };
  if (task.state.kind === 'looking-up') {
    // It may be that of an earlier task of this id: the look-up says whose result is there.
    if (task.mayRunElsewhere) moveTask(state, task, { kind: 'looking-up', told: summary });
    return;
  }
  leaveFinishedAttempt(state, report.origin, report.attempt);
  finishTask(state, task, summary);
}

export function confirmFinished(state: KernelState, to: ReportOrigin, attempt: AttemptRef): void {
  const address = `${to.nodeId}/${to.pid}/${to.incarnation}`;
  let pending = state.confirms.get(address);
  if (pending === undefined) {
    pending = { to, attempts: new Map() };
    state.confirms.set(address, pending);
  }
  pending.attempts.set(`${taskName(attempt.tenant, attempt.task)}/${attempt.attempt}`, attempt);
}

/**
 * Given back: it goes on later, at its old place in line, and the attempt does not count. A process
 * may do so unasked when it has to leave; one that does nothing else is at fault.
 */
export function applyPreempted(state: KernelState, report: Omit<FinishedReport, 'outcome'>): void {
  const { origin, attempt, cost } = report;
  confirmFinished(state, origin, attempt);
  const process = hear(state, origin);
  if (process !== undefined) settle(state, process, attempt);
  const running = runningAt(state, origin, attempt);
  if (running === undefined) return;
  chargeAttempt(state, running, cost);
  const { task } = running;
  const { stop, preempt, place } = running.state;
  const isUnasked = preempt === undefined && process?.state.kind !== 'draining';
  if (preempt !== undefined) task.preemptions += 1;
  if (isUnasked) task.unaskedReturns += 1;
  leaveProcess(state, task);
  task.ranAt = place.pid;
  if (stop !== undefined) {
    endStopped(state, task, stop.reason);
  } else if (task.unaskedReturns > CORE_LIMITS.maxUnaskedReturns) {
    failAttempt(state, task, errorBody('ABORTED', `process ${place.pid} gives the task back`));
  } else {
    repeatAttempt(state, task, isUnasked ? state.config.retryBackoff.firstMs : 0);
  }
}

/** The attempt ended with this error and stored nothing. */
export function failAttempt(state: KernelState, task: Task, error: ErrorBody): void {
  const verdict = judgeFailure(task, error, state.config.retryBackoff);
  task.failures = withFailure(task, error);
  switch (verdict.kind) {
    case 'final':
      endTask(state, task, error);
      return;
    case 'retry':
      prepareAttempt(state, task, verdict.afterMs);
      return;
    case 'exhausted':
      deadLetterTask(state, task, { reason: 'attempts-exhausted', error });
      return;
    default:
      assertNever(verdict);
  }
}

/** It was stopped through no fault of its own: another attempt, without counting this one. */
export function repeatAttempt(state: KernelState, task: Task, afterMs = 0): void {
  task.uncountedAttempts += 1;
  prepareAttempt(state, task, afterMs);
}

/** The next attempt is on record, and its time may have come. */
export function applyAttemptRecorded(state: KernelState, task: Task): void {
  task.isRecording = false;
  if (task.state.kind !== 'backing-off') return;
  if (task.state.untilMs <= state.now.nowMs) readyTask(state, task);
}

/** A process spoke: the current incarnation, if it is one. */
export function hear(state: KernelState, origin: ReportOrigin): Process | undefined {
  const process = processAt(state, origin);
  if (process !== undefined) process.lastHeardMs = state.now.nowMs;
  return process;
}

interface RunningTask {
  readonly task: Task;
  readonly state: RunningState;
}

function runningAt(
  state: KernelState,
  origin: ReportOrigin,
  attempt: AttemptRef,
): RunningTask | undefined {
  const task = state.tasks.find(attempt.tenant, attempt.task);
  if (task?.state.kind !== 'running' || task.attempt !== attempt.attempt) return undefined;
  const { place } = task.state;
  const isHere =
    place.pid === origin.pid &&
    place.incarnation === origin.incarnation &&
    place.nodeId === origin.nodeId;
  return isHere ? { task, state: task.state } : undefined;
}

function applyUnstored(
  state: KernelState,
  running: RunningTask,
  outcome: Exclude<AttemptEnd, { kind: 'committed' }>,
): void {
  const { task } = running;
  const { stop, place } = running.state;
  leaveProcess(state, task);
  if (stop !== undefined) {
    endStopped(state, task, stop.reason);
    return;
  }
  if (outcome.kind === 'failed' && outcome.isSuspect === true && !task.isApart) {
    // Innocent, most likely. Alone it ends, or brings an end upon itself only.
    task.isApart = true;
    task.failures = withFailure(task, outcome.error);
    repeatAttempt(state, task);
    return;
  }
  if (outcome.kind === 'failed') {
    failAttempt(state, task, { ...outcome.error, message: shorten(outcome.error.message) });
    return;
  }
  if (isStopReason(outcome.reason)) {
    // Its own clock, or a leader of before us that was told to cancel.
    endTask(state, task, stopError(outcome.reason, task));
    return;
  }
  if (processAt(state, place)?.state.kind === 'draining') {
    repeatAttempt(state, task);
    return;
  }
  const why = `process ${place.pid} stopped the attempt: ${shorten(outcome.reason)}`;
  failAttempt(state, task, errorBody('ABORTED', why));
}

/** The host is through with it, so nothing is left there to cancel. */
function leaveFinishedAttempt(state: KernelState, origin: ReportOrigin, attempt: AttemptRef): void {
  const running = runningAt(state, origin, attempt);
  if (running === undefined) return;
  measureService(state, running.task, running.state);
  leaveProcess(state, running.task);
}

function prepareAttempt(state: KernelState, task: Task, afterMs: number): void {
  task.attempt += 1;
  task.hasAttemptRow = true;
  task.isRecording = true;
  moveTask(state, task, { kind: 'backing-off', untilMs: state.now.nowMs + afterMs });
  const { spec, attempt, uncountedAttempts: uncounted, isApart, failures } = task;
  emit(state, { kind: 'record-attempt', spec, attempt, uncounted, isApart, failures });
}

/** From now on a heartbeat that still names the attempt is only late. */
function settle(state: KernelState, process: Process, attempt: AttemptRef): void {
  const name = taskName(attempt.tenant, attempt.task);
  const task = state.tasks.find(attempt.tenant, attempt.task);
  if (task !== undefined && isAdoptable(task) && task.target === process.target) {
    // An attempt of before this leadership ends: as if it had been adopted a moment ago.
    state.processes.addForeign(process, name, attempt.attempt);
    tryAdopt(state, task);
  }
  if (process.foreign.get(name) === attempt.attempt) state.processes.removeForeign(process, name);
  process.settled.set(name, attempt.attempt);
  if (process.settled.size <= CORE_LIMITS.maxReportedAttempts) return;
  for (const oldest of process.settled.keys()) {
    process.settled.delete(oldest);
    return;
  }
}

function isStopReason(reason: string): reason is 'CANCELLED' | 'DEADLINE_EXCEEDED' {
  return reason === 'CANCELLED' || reason === 'DEADLINE_EXCEEDED';
}

function isAdoptable(task: Task): boolean {
  return task.mayRunElsewhere && (task.state.kind === 'queued' || task.state.kind === 'held');
}

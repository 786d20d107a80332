/**
 * The one place where a task changes its state: leaving a state undoes its bookkeeping, entering
 * one does it. So a permit is spent and returned exactly once (K1) and a task is in one place only
 * (K2).
 */
import type { AttemptRef } from '@llmos/base';
import { NO_COST } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import { isServing, type Process } from '../processes/process';
import { chainName } from './key-chains';
import type { AttemptPlace, RunningState, Task, TaskState } from './task';
import { isOpen } from './task';

export function moveTask(state: KernelState, task: Task, next: TaskState): void {
  leave(state, task);
  task.state = next;
  enter(state, task);
  armTask(state, task);
}

/** Its attempt is over there; the caller decides at once how the task goes on. */
export function leaveProcess(state: KernelState, task: Task): void {
  moveTask(state, task, { kind: 'between-attempts' });
}

export function attemptRef(task: Task): AttemptRef {
  return { tenant: task.spec.tenant, task: task.spec.id, attempt: task.attempt };
}

/** The process that an attempt was sent to, while that incarnation is there. */
export function processAt(state: KernelState, place: AttemptPlace): Process | undefined {
  const process = state.processes.get(place.pid);
  if (process?.incarnation !== place.incarnation || process.nodeId !== place.nodeId) {
    return undefined;
  }
  return process.state.kind === 'backing-off' ? undefined : process;
}

export function runningState(of: {
  readonly process: Process;
  readonly nowMs: number;
  readonly isAccepted: boolean;
}): RunningState {
  const { process, nowMs, isAccepted } = of;
  return {
    kind: 'running',
    place: { nodeId: process.nodeId, pid: process.pid, incarnation: process.incarnation },
    startedAtMs: nowMs,
    acceptedAtMs: isAccepted ? nowMs : undefined,
    askedAtMs: nowMs,
    sendCount: 0,
    nextSendAtMs: nowMs,
    missedHeartbeats: 0,
    missedAtMs: 0,
    stop: undefined,
    preempt: undefined,
    cost: NO_COST,
  };
}

/** A process runs an apart task alone, and nothing is put beside it. */
export function hasApartTask(state: KernelState, process: Process): boolean {
  for (const sequence of process.running) return state.tasks.get(sequence)?.isApart === true;
  return false;
}

/** Undefined where the task has no key, or its process is gone. */
export function affineProcess(state: KernelState, task: Task): Process | undefined {
  const name = affinityName(task);
  const pid = name === undefined ? undefined : state.affinities.get(name);
  const process = pid === undefined ? undefined : state.processes.get(pid);
  return process !== undefined && isServing(process) && process.target === task.target
    ? process
    : undefined;
}

/** Sets the time at which something must happen to the task if nothing else does. */
export function armTask(state: KernelState, task: Task): void {
  const { sequence } = task.spec;
  if (!isOpen(task)) {
    state.taskAlarms.clear(sequence);
    return;
  }
  const { nowMs, wallMs } = state.now;
  // Two readings of one moment differ by a trace: an alarm that stays needs no work.
  const deadlineAtMs = Math.ceil(nowMs + Math.max(1, task.deadlineWallMs - wallMs));
  state.taskAlarms.set(sequence, Math.min(deadlineAtMs, nextStepMs(state, task)));
}

function nextStepMs(state: KernelState, task: Task): number {
  const current = task.state;
  if (current.kind === 'backing-off') {
    // Once its time is over it waits for the record of its next attempt.
    return current.untilMs > state.now.nowMs ? current.untilMs : Number.POSITIVE_INFINITY;
  }
  if (current.kind !== 'running') return Number.POSITIVE_INFINITY;
  if (current.stop !== undefined) {
    return Math.min(current.stop.nextSendAtMs, current.stop.giveUpAtMs);
  }
  if (current.acceptedAtMs !== undefined) {
    return current.preempt?.nextSendAtMs ?? Number.POSITIVE_INFINITY;
  }
  return Math.min(current.nextSendAtMs, current.askedAtMs + state.config.acceptBoundMs);
}

function leave(state: KernelState, task: Task): void {
  const { state: current } = task;
  if (current.kind === 'unrouted') state.unroutedCount -= 1;
  if (current.kind === 'queued') state.queue.remove(task);
  if (current.kind !== 'running') return;
  state.runningCount -= 1;
  const process = state.processes.get(current.place.pid);
  const { nowMs } = state.now;
  if (process === undefined || !state.processes.returnPermit(process, task.spec, nowMs)) {
    state.breaches.push(`K1: task ${task.spec.id} held no permit of ${current.place.pid}`);
  }
}

function enter(state: KernelState, task: Task): void {
  const { state: current, target } = task;
  if (current.kind === 'unrouted') state.unroutedCount += 1;
  if (current.kind === 'queued') {
    if (target === undefined) throw new Error(`task ${task.spec.id} is queued without a target`);
    state.queue.add(task, target, affineProcess(state, task)?.pid);
  }
  if (current.kind !== 'running') return;
  state.runningCount += 1;
  const process = state.processes.get(current.place.pid);
  if (process === undefined) throw new Error(`task ${task.spec.id} runs on an unknown process`);
  state.processes.spendPermit(process, task.spec, state.now.nowMs);
  const name = affinityName(task);
  if (name !== undefined) state.affinities.set(name, process.pid);
}

function affinityName(task: Task): string | undefined {
  const chain = chainName(task);
  return chain === undefined ? undefined : `${chain}/${task.target ?? ''}`;
}

/**
 * Makes room for urgent work: where a task waits and no process of its target has a permit free,
 * the least urgent one that may be pushed aside and can be given back is asked back at its next
 * step. It keeps its age and goes on where it stopped.
 *
 * Bounds: no more are asked back than tasks wait that may push them aside, and none more often than
 * `maxPreemptions` times. What is not preemptible ends soon by itself.
 */
import type { Target } from '@llmos/base';
import { emit, type KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import { freePermitsFor, type Process } from '../processes/process';
import type { RunningState, Task } from '../tasks/task';
import { goesBefore } from './queue-policy';
import { armTask, attemptRef } from '../tasks/task-moves';

/** After everything that has a permit was sent. */
export function preemptFor(state: KernelState, target: Target): void {
  const { policy } = state;
  const head = state.queue.headOf(target);
  // What ends soon by itself stops nothing that takes long: it waits for the next permit.
  if (head === undefined || !isPreemptible(state, head) || !policy.mayPreempt(head)) return;
  const candidates: Candidate[] = [];
  let asked = 0;
  for (const process of state.processes.ofTarget(target)) {
    const isReady = process.state.kind === 'ready';
    const isFull = isReady && freePermitsFor(process, head.spec) === 0;
    for (const sequence of process.running) {
      const task = state.tasks.get(sequence);
      if (task?.state.kind !== 'running') continue;
      if (task.state.preempt !== undefined) asked += 1;
      else if (isFull && mayBeAskedBack(state, task, task.state)) {
        candidates.push({ task, running: task.state, process });
      }
    }
  }
  candidates.sort((a, b) => (goesBefore(policy, a.task, b.task) ? 1 : -1));
  for (const { task, running, process } of candidates) {
    if (asked >= state.queue.countAbove(target, process.pid, task)) continue;
    running.preempt = { nextSendAtMs: state.now.nowMs };
    sendPreempt(state, task, running);
    asked += 1;
  }
}

/** Sent again until the attempt ends: the message may be lost. */
export function sendPreempt(state: KernelState, task: Task, running: RunningState): void {
  if (running.preempt === undefined) return;
  running.preempt.nextSendAtMs = state.now.nowMs + state.config.repeatMs;
  emit(state, { kind: 'preempt-attempt', to: running.place, attempt: attemptRef(task) });
  armTask(state, task);
}

interface Candidate {
  readonly task: Task;
  readonly running: RunningState;
  readonly process: Process;
}

/** A task that runs apart is alone in its process: its turn ends with it. */
function mayBeAskedBack(state: KernelState, task: Task, running: RunningState): boolean {
  if (!isPreemptible(state, task) || task.isApart || running.stop !== undefined) return false;
  return task.preemptions < CORE_LIMITS.maxPreemptions;
}

function isPreemptible({ catalog }: KernelState, { spec }: Task): boolean {
  return catalog.traitsOf(spec.function).preemptible;
}

/** Functions changed: what can't be given back any more is asked no more. */
export function withdrawPreempts(state: KernelState): void {
  for (const process of state.processes.all()) {
    for (const sequence of process.running) {
      const task = state.tasks.get(sequence);
      if (task?.state.kind !== 'running' || isPreemptible(state, task)) continue;
      task.state.preempt = undefined;
    }
  }
}

/** What time alone does to a task: deadlines, the end of a backoff, repeated messages. */
import { errorBody } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import type { RunningState, Task } from './task';
import { isOpen } from './task';
import { failAttempt } from './attempts';
import { pursueStop, stopTask } from './cancellation';
import { sendExecute } from '../scheduling/dispatch';
import { sendPreempt } from '../scheduling/preemption';
import { readyTask } from './queueing';
import { abandonAttempt } from './task-end';
import { armTask, leaveProcess } from './task-moves';

export function wakeTask(state: KernelState, task: Task): void {
  if (!isOpen(task)) return;
  if (state.now.wallMs >= task.deadlineWallMs) stopTask(state, task, 'DEADLINE_EXCEEDED');
  const current = task.state;
  if (current.kind === 'backing-off' && current.untilMs <= state.now.nowMs && !task.isRecording) {
    readyTask(state, task);
  }
  if (current.kind === 'running') pursueAttempt(state, task, current);
  if (state.tasks.get(task.spec.sequence) === task) armTask(state, task);
}

function pursueAttempt(state: KernelState, task: Task, running: RunningState): void {
  const { nowMs } = state.now;
  if (running.stop !== undefined) {
    pursueStop(state, task, running);
    return;
  }
  if (running.acceptedAtMs !== undefined) {
    if (running.preempt !== undefined && nowMs >= running.preempt.nextSendAtMs) {
      sendPreempt(state, task, running);
    }
    return;
  }
  if (nowMs - running.askedAtMs >= state.config.acceptBoundMs) {
    // The process lives and never takes it: another attempt, perhaps elsewhere, is the way out.
    const { pid } = running.place;
    abandonAttempt(state, task);
    leaveProcess(state, task);
    const message = `process ${pid} did not accept the task within ${state.config.acceptBoundMs} ms`;
    failAttempt(state, task, errorBody('ABORTED', message));
    return;
  }
  if (nowMs >= running.nextSendAtMs) sendExecute(state, task, running);
}

/** One tick: what time did, then processes, then tasks; everything to do leaves in this order. */
import type { KernelDecision } from '../kernel-decision';
import type { KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import { dispatchTasks } from './dispatch';
import { flushLookUps, rerouteTask } from '../tasks/admission';
import { cancelMember } from '../tasks/cancellation';
import { judgeNode } from '../nodes/node-life';
import { wakeProcess } from '../processes/process-alarms';
import { mustProvision, provision } from './provisioning';
import { checkRecovery, recoveryEndMs, releaseTask } from './recovery';
import { canSweep, sweep } from './sweeps';
import { wakeTask } from '../tasks/task-alarms';
import { flushCommits } from '../tasks/task-end';

export function planTick(state: KernelState): KernelDecision[] {
  ringAlarms(state);
  checkRecovery(state);
  sweep(state, {
    release: (task) => releaseTask(state, task),
    reroute: (task) => rerouteTask(state, task),
    cancel: (task, cause) => cancelMember(state, task, cause),
  });
  provision(state);
  dispatchTasks(state);
  flushLookUps(state);
  flushCommits(state);
  flushConfirms(state);
  const decisions = state.outbox;
  state.outbox = [];
  return decisions;
}

/** When the next tick is due if no event comes before. */
export function nextTickMs(state: KernelState): number | undefined {
  const isPending = state.outbox.length > 0 || state.confirms.size > 0;
  const hasWork = mustProvision(state) || state.offers.size > 0;
  const canAsk = state.commits.hasNext() || state.lookUps.hasNext();
  if (isPending || hasWork || canSweep(state) || canAsk) return state.now.nowMs;
  const next = Math.min(
    state.taskAlarms.nextMs() ?? Number.POSITIVE_INFINITY,
    state.processAlarms.nextMs() ?? Number.POSITIVE_INFINITY,
    state.nodeAlarms.nextMs() ?? Number.POSITIVE_INFINITY,
    state.demand.nextMs() ?? Number.POSITIVE_INFINITY,
    recoveryEndMs(state),
  );
  return Number.isFinite(next) ? next : undefined;
}

function ringAlarms(state: KernelState): void {
  const { nowMs } = state.now;
  for (const nodeId of state.nodeAlarms.due(nowMs)) judgeNode(state, nodeId);
  for (const pid of state.processAlarms.due(nowMs)) {
    const process = state.processes.get(pid);
    if (process !== undefined) wakeProcess(state, process);
  }
  for (const sequence of state.taskAlarms.due(nowMs, CORE_LIMITS.maxSweptPerTick)) {
    const task = state.tasks.get(sequence);
    if (task !== undefined) wakeTask(state, task);
  }
}

/** One message per process and tick. */
function flushConfirms(state: KernelState): void {
  for (const { to, attempts } of state.confirms.values()) {
    state.outbox.push({ kind: 'confirm-finished', to, attempts: [...attempts.values()] });
  }
  state.confirms.clear();
}

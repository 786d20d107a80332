/**
 * In about how long a task in line has its turn, from how long the attempts of its target took
 * lately. Measured are attempts that stored a result while others waited: then the permits were in
 * use, so permits / mean time is what the target gets done, however its attempts share a machine.
 * What was measured in quiet hours would promise too much. Nothing measured, nothing said.
 *
 * What comes later and is more urgent, or makes room by preemption, is not foreseen.
 */
import { RecentMap } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import type { Process } from '../processes/process';
import { freePermitsFor, permitsFor } from '../processes/process';
import type { RunningState, Task } from '../tasks/task';
import { affineProcess, hasApartTask } from './task-moves';

interface Service {
  /** Of an attempt, from its first execute to the report of its end. */
  meanMs: number;
  count: number;
  measuredAtMs: number;
  /** When an attempt of the target last began or ended. */
  movedAtMs: number;
}

/** Of each target. Written as attempts begin and end. */
export class ServiceTimes {
  private readonly services = new RecentMap<string, Service>(CORE_LIMITS.maxServiceTimes);

  began(target: string, nowMs: number): void {
    const service = this.services.get(target);
    if (service !== undefined) service.movedAtMs = nowMs;
  }

  measured(target: string, durationMs: number, nowMs: number): void {
    const before = this.services.get(target);
    const count = Math.min((before?.count ?? 0) + 1, CORE_LIMITS.serviceWindow);
    const meanMs = (before?.meanMs ?? 0) + (durationMs - (before?.meanMs ?? 0)) / count;
    this.services.set(target, { meanMs, count, measuredAtMs: nowMs, movedAtMs: nowMs });
  }

  /** Undefined where too little was measured, or too long ago. */
  meanMs(target: string, nowMs: number): number | undefined {
    const service = this.services.get(target);
    if (service === undefined || service.count < CORE_LIMITS.leastServices) return undefined;
    if (nowMs - service.measuredAtMs > CORE_LIMITS.serviceMemoryMs) return undefined;
    // Where nothing moves for longer than it ever took, it takes longer now.
    return Math.max(service.meanMs, nowMs - service.movedAtMs);
  }
}

/** An attempt of ours stored its result. What another leader began has no known start. */
export function measureService(state: KernelState, task: Task, running: RunningState): void {
  const { target } = task;
  if (target === undefined || running.sendCount === 0) return;
  if (state.queue.sizeOf(target) === 0) return;
  const { nowMs } = state.now;
  state.services.measured(target, Math.max(0, nowMs - running.startedAtMs), nowMs);
}

/**
 * Until the first execute of a queued task; undefined where nothing says how long.
 *
 * @param position in its line, from 1.
 */
export function estimateTurnMs(
  state: KernelState,
  task: Task,
  position: number,
): number | undefined {
  const { target } = task;
  const meanMs = target === undefined ? undefined : state.services.meanMs(target, state.now.nowMs);
  // One that runs alone waits for others to be through, not for a permit.
  if (target === undefined || meanMs === undefined || task.isApart) return undefined;
  let permits = 0;
  let free = 0;
  for (const process of processesFor(state, task, target)) {
    if (process.state.kind !== 'ready' || !process.isReconciled) continue;
    if (hasApartTask(state, process)) continue;
    permits += permitsFor(process, task.spec.class);
    free += freePermitsFor(process, task.spec.class);
  }
  if (permits === 0) return undefined;
  const estimateMs = Math.ceil((Math.max(0, position - free) * meanMs) / permits);
  return estimateMs > CORE_LIMITS.maxEstimateMs ? undefined : estimateMs;
}

/** Those that it may go to. */
function processesFor(state: KernelState, task: Task, target: string): readonly Process[] {
  const affine = affineProcess(state, task);
  return affine === undefined ? state.processes.ofTarget(target) : [affine];
}

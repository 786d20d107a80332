/**
 * In about how long a task in line has its turn, from how long the attempts of its target took
 * lately. Measured are attempts that stored a result while others waited: then the permits were in
 * use, so permits / mean time is what the target gets done, however its attempts share a machine.
 * What was measured in quiet hours would promise too much. Nothing measured, nothing said.
 *
 * What comes later and is more urgent, or makes room by preemption, is not foreseen.
 */
import type { Target } from '@llmos/base';
import { RecentMap } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import type { Process } from '../processes/process';
import { freePermitsFor, permitsFor } from '../processes/process';
import type { RunningState, Task } from '../tasks/task';
import { affineProcess, hasApartTask } from '../tasks/task-moves';

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
  private readonly services = new RecentMap<Target, Service>(CORE_LIMITS.maxServiceTimes);

  began(target: Target, nowMs: number): void {
    const service = this.services.get(target);
    if (service !== undefined) service.movedAtMs = nowMs;
  }

  measured(target: Target, durationMs: number, nowMs: number): void {
    const before = this.services.get(target);
    const count = Math.min((before?.count ?? 0) + 1, CORE_LIMITS.serviceWindow);
    const meanMs = (before?.meanMs ?? 0) + (durationMs - (before?.meanMs ?? 0)) / count;
    this.services.set(target, { meanMs, count, measuredAtMs: nowMs, movedAtMs: nowMs });
  }

  /**
   * Undefined where too little was measured, or too long ago.
   *
   * @param agesMs of the attempts that run, together.
   */
  meanMs(target: Target, nowMs: number, agesMs: number): number | undefined {
    const service = this.services.get(target);
    if (service === undefined || service.count < CORE_LIMITS.leastServices) return undefined;
    if (nowMs - service.measuredAtMs > CORE_LIMITS.serviceMemoryMs) return undefined;
    const { meanMs, count, movedAtMs } = service;
    // The first to end are the fastest: so long as few have, the time of those that run counts.
    const unseen = 1 - count / CORE_LIMITS.serviceWindow;
    // Where nothing moves for longer than it ever took, it takes longer now.
    return Math.max(meanMs + (unseen * agesMs) / count, nowMs - movedAtMs);
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
  // One that runs alone waits for others to be through, not for a permit.
  if (target === undefined || task.isApart) return undefined;
  let permits = 0;
  let free = 0;
  const running: number[] = [];
  for (const process of processesFor(state, task, target)) {
    if (process.state.kind !== 'ready' || !process.isReconciled) continue;
    if (hasApartTask(state, process)) continue;
    permits += permitsFor(process, task.spec.class);
    free += freePermitsFor(process, task.spec);
    for (const sequence of process.running) {
      if (running.length >= CORE_LIMITS.maxCountedRunning) break;
      running.push(sequence);
    }
  }
  const { nowMs } = state.now;
  const meanMs = state.services.meanMs(target, nowMs, agesOf(state, running));
  if (permits === 0 || meanMs === undefined) return undefined;
  const estimateMs = Math.ceil((Math.max(0, position - free) * meanMs) / permits);
  return estimateMs > CORE_LIMITS.maxEstimateMs ? undefined : estimateMs;
}

function agesOf(state: KernelState, sequences: readonly number[]): number {
  let agesMs = 0;
  for (const sequence of sequences) {
    const running = state.tasks.get(sequence)?.state;
    if (running?.kind === 'running') agesMs += state.now.nowMs - running.startedAtMs;
  }
  return agesMs;
}

/** Those that it may go to. */
function processesFor(state: KernelState, task: Task, target: Target): readonly Process[] {
  const affine = affineProcess(state, task);
  return affine === undefined ? state.processes.ofTarget(target) : [affine];
}

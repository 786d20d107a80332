/** What operators ask for: replicas to keep, processes to stop. */
import type { ProcessId, SpawnRequest, Target } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import { isServing } from './process';
import { drainProcess } from './process-life';

export function setDesired(state: KernelState, request: SpawnRequest): void {
  const wanted = Number.isFinite(request.replicas) ? Math.floor(request.replicas) : 0;
  const replicas = Math.max(0, Math.min(CORE_LIMITS.maxReplicas, wanted));
  const isLowered = replicas < state.desired.replace(request.model, replicas);
  const target = state.catalog.resolveTarget(request.model);
  // Whoever asks for it again wants another try now.
  if (target !== undefined && replicas > 0) state.faults.clearTarget(target);
  if (target !== undefined && (isLowered || replicas === 0)) scaleDown(state, target, replicas);
}

/** Stops it, whatever it does; a replica that is wanted starts again under a new id. */
export function killProcess(state: KernelState, pid: ProcessId): void {
  const process = state.processes.get(pid);
  if (process === undefined) return;
  drainProcess(state, process, { reason: 'killed', graceMs: state.config.killGraceMs });
}

/** Idle ones first, then the youngest. */
function scaleDown(state: KernelState, target: Target, replicas: number): void {
  const present = state.processes
    .ofTarget(target)
    .filter((process) => isServing(process) || process.state.kind === 'backing-off')
    .map((process, age) => ({ process, age }))
    .sort((a, b) => a.process.running.size - b.process.running.size || b.age - a.age);
  const { killGraceMs: graceMs } = state.config;
  for (const { process } of present.slice(0, Math.max(0, present.length - replicas))) {
    drainProcess(state, process, { reason: 'scaled-down', graceMs });
  }
}

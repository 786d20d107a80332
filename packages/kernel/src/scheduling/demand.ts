/** How many processes a target needs, and which of them nobody needs. */
import type { KernelState } from '../kernel-state';
import type { Process } from '../processes/process';
import { isServing } from '../processes/process';

/** Nothing in it, nothing waiting for it, and nobody asked to keep it. */
export function isSpare(state: KernelState, process: Process): boolean {
  if (process.state.kind !== 'ready' || !process.isReconciled) return false;
  if (process.running.size > 0 || process.foreign.size > 0) return false;
  if (state.queue.sizeOf(process.target) > 0) return false;
  const serving = state.processes.ofTarget(process.target).filter(isServing).length;
  return serving > desiredReplicas(state, process.target);
}

/** What spawn requests ask for, by target rather than by the name they gave. */
export function desiredReplicas(state: KernelState, target: string): number {
  let replicas = 0;
  for (const [name, count] of state.desired) {
    if (state.catalog.resolveTarget(name) === target) replicas = Math.max(replicas, count);
  }
  return replicas;
}

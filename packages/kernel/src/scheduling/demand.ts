/** Which processes nobody needs. */
import type { KernelState } from '../kernel-state';
import type { Process } from '../processes/process';
import { isServing } from '../processes/process';

/** Nothing in it, nothing waiting for it, and nobody asked to keep it. */
export function isSpare(state: KernelState, process: Process): boolean {
  if (process.state.kind !== 'ready' || !process.isReconciled) return false;
  if (process.running.size > 0 || process.foreign.size > 0) return false;
  if (state.queue.sizeOf(process.target) > 0) return false;
  const serving = state.processes.ofTarget(process.target).filter(isServing).length;
  return serving > state.desired.of(process.target);
}

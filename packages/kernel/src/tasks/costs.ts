/**
 * Charges what attempts cost to their task and tenant, as it is told: at each heartbeat and at the
 * end. Processes tell totals, which may come twice, late, or from one that lies: only what an
 * attempt costs beyond all that it was charged before counts, and never more of a device than the
 * time since this leader gave it one.
 */
import type { AttemptCost } from '@llmos/base';
import { addCosts } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import type { RunningState, Task } from './task';

/** @param told finite and not negative; undefined where nothing was said. */
export function chargeAttempt(
  state: KernelState,
  of: { readonly task: Task; readonly state: RunningState },
  told: AttemptCost | undefined,
): void {
  if (told === undefined) return;
  const { task, state: running } = of;
  const elapsedMs = Math.max(0, state.now.nowMs - running.startedAtMs);
  const known = running.cost;
  const rise = (name: keyof AttemptCost, most: number): number =>
    Math.max(0, Math.min(told[name], most) - known[name]);
  const more = {
    deviceMs: rise('deviceMs', elapsedMs),
    cpuMs: rise('cpuMs', elapsedMs * CORE_LIMITS.maxChargedCores),
    inputTokens: rise('inputTokens', CORE_LIMITS.maxChargedTokens),
    outputTokens: rise('outputTokens', CORE_LIMITS.maxChargedTokens),
  };
  if (Object.values(more).every((amount) => amount === 0)) return;
  running.cost = addCosts(known, more);
  task.cost = addCosts(task.cost, more);
  state.costs.add(task.spec.tenant, more);
  state.queue.charge(task, more);
}

/** How far a host may grow beyond what it took to get ready. Pure. */
import type { ModelTask } from '@llmos/base';
import { ENGINE_LIMITS } from './engine/limits';
import { AGENT_LIMITS, HOST_LIMITS } from './limits';

/** @param task undefined for a built-in program. @param nodeBytes what the node may use at all. */
export function growthBytesOf(task: ModelTask | undefined, nodeBytes: number): number {
  const { leastGrowthBytes, growthShare } = AGENT_LIMITS;
  const anyBytes = Math.max(leastGrowthBytes, Math.floor(nodeBytes * growthShare));
  if (task !== 'generate') return anyBytes;
  // Keys and values have bounds of their own, and are told to the kernel as they grow.
  const { savedContextBytes, prefixBytes } = HOST_LIMITS;
  return anyBytes + ENGINE_LIMITS.maxKvBytes + savedContextBytes + prefixBytes;
}

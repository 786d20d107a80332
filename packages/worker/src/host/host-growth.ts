/** How far a host may grow beyond what it took to get ready, and each thread's JavaScript. Pure. */
import type { ModelTask } from '@llmos/base';
import { ENGINE_LIMITS } from '../engine/limits';
import { AGENT_LIMITS, HOST_LIMITS } from '../limits';
import { profileOf } from '../models/model-tasks';

/** @param task undefined for a built-in program. @param nodeBytes what the node may use at all. */
export function growthBytesOf(task: ModelTask | undefined, nodeBytes: number): number {
  const anyBytes = anyGrowthBytes(nodeBytes);
  if (task === undefined || !profileOf(task).traits.keepsRows) return anyBytes;
  // Keys and values have bounds of their own, and are told to the kernel as they grow.
  const { savedContextBytes, prefixBytes } = HOST_LIMITS;
  return anyBytes + ENGINE_LIMITS.maxKvBytes + savedContextBytes + prefixBytes;
}

/** Of one thread: decoded bodies, tokens, answers; not what the model runs on. */
export function threadHeapBytesOf(nodeBytes: number): number {
  const { threadHeapShare, mostThreadHeapBytes } = AGENT_LIMITS;
  return Math.min(mostThreadHeapBytes, Math.floor(anyGrowthBytes(nodeBytes) * threadHeapShare));
}

function anyGrowthBytes(nodeBytes: number): number {
  const { leastGrowthBytes, growthShare } = AGENT_LIMITS;
  return Math.max(leastGrowthBytes, Math.floor(nodeBytes * growthShare));
}

/** What a kernel may hold, by the heap that its program was given. Pure. */
import { EDGE_LIMITS } from './edge-limits';

export interface MemoryBudget {
  readonly bodyCacheBytes: number;
  /** Tasks that wait here; those beyond it wait in their stream. */
  readonly maxHeldTasks: number;
}

/** @param bodyCacheBytes where it was set; else a share of the heap. */
export function budgetFor(heapLimitBytes: number, bodyCacheBytes?: number): MemoryBudget {
  const share = Math.floor(heapLimitBytes * EDGE_LIMITS.bodyCacheShare);
  const bodies = bodyCacheBytes ?? Math.min(EDGE_LIMITS.bodyCacheBytes, share);
  const room = heapLimitBytes * EDGE_LIMITS.heapShare - EDGE_LIMITS.programHeapBytes - bodies;
  const fits = Math.floor(room / EDGE_LIMITS.bytesPerHeldTask);
  const { leastHeldTasks, maxHeldTasks } = EDGE_LIMITS;
  return {
    bodyCacheBytes: bodies,
    maxHeldTasks: Math.max(leastHeldTasks, Math.min(fits, maxHeldTasks)),
  };
}

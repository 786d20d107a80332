/** What a kernel may hold, by the heap that its program was given. Pure. */
import { EDGE_LIMITS } from './edge-limits';
import { CORE_LIMITS } from './limits';

export interface MemoryBudget {
  readonly bodyCacheBytes: number;
  /** Tasks that wait here; those beyond it wait in their stream. */
  readonly maxHeldTasks: number;
  /** What those may weigh all together: with many headers, fewer of them fit. */
  readonly maxHeldBytes: number;
}

/** @param bodyCacheBytes where it was set; else a share of the heap. */
export function budgetFor(heapLimitBytes: number, bodyCacheBytes?: number): MemoryBudget {
  const share = Math.floor(heapLimitBytes * EDGE_LIMITS.bodyCacheShare);
  const bodies = bodyCacheBytes ?? Math.min(EDGE_LIMITS.bodyCacheBytes, share);
  const room = heapLimitBytes * EDGE_LIMITS.heapShare - EDGE_LIMITS.programHeapBytes - bodies;
  const { leastHeldTasks, maxHeldTasks } = EDGE_LIMITS;
  const { heldTaskBytes } = CORE_LIMITS;
  const fits = Math.floor(room / heldTaskBytes);
  return {
    bodyCacheBytes: bodies,
    maxHeldTasks: Math.max(leastHeldTasks, Math.min(fits, maxHeldTasks)),
    maxHeldBytes: Math.max(leastHeldTasks * heldTaskBytes, Math.floor(room)),
  };
}

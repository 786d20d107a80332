import { EDGE_LIMITS } from './edge-limits';
import { budgetFor } from './memory-budget';

const MIB = 1024 * 1024;

it('holds what it always did where the heap is large', () => {
  const { maxHeldTasks, bodyCacheBytes } = EDGE_LIMITS;
  expect(budgetFor(4_096 * MIB)).toEqual({ maxHeldTasks, bodyCacheBytes });
});

it('holds 440,000 tasks in the heap of deploy/kubernetes/base', () => {
  expect(budgetFor(1_152 * MIB).maxHeldTasks).toBeGreaterThanOrEqual(440_000);
});

it('holds fewer tasks and bodies in a small heap, and in none that it has too little', () => {
  const small = budgetFor(512 * MIB);
  expect(small.bodyCacheBytes).toBeLessThanOrEqual(52 * MIB);
  const heap = small.maxHeldTasks * EDGE_LIMITS.bytesPerHeldTask + small.bodyCacheBytes;
  expect(heap).toBeLessThan(512 * MIB * EDGE_LIMITS.heapShare);
  expect(budgetFor(32 * MIB).maxHeldTasks).toBe(EDGE_LIMITS.leastHeldTasks);
});

it('leaves less for tasks where a larger budget for bodies was set', () => {
  expect(budgetFor(768 * MIB, 256 * MIB).maxHeldTasks).toBeLessThan(
    budgetFor(768 * MIB).maxHeldTasks,
  );
});

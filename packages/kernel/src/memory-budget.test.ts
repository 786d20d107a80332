import { EDGE_LIMITS } from './edge-limits';
import { CORE_LIMITS } from './limits';
import { budgetFor } from './memory-budget';

const MIB = 1024 * 1024;

it('holds what it always did where the heap is large', () => {
  const { maxHeldTasks, bodyCacheBytes } = EDGE_LIMITS;
  expect(budgetFor(4_096 * MIB)).toMatchObject({ maxHeldTasks, bodyCacheBytes });
});

it('holds 440,000 tasks in the heap of deploy/kubernetes/base', () => {
  expect(budgetFor(1_152 * MIB).maxHeldTasks).toBeGreaterThanOrEqual(440_000);
});

it('has room for the weight of all tasks that it may hold', () => {
  for (const mib of [32, 512, 1_152, 4_096]) {
    const { maxHeldTasks, maxHeldBytes } = budgetFor(mib * MIB);
    expect(maxHeldBytes).toBeGreaterThanOrEqual(maxHeldTasks * CORE_LIMITS.heldTaskBytes);
  }
});

it('lets no tasks weigh more than the heap has beside bodies and the program', () => {
  const { maxHeldBytes, bodyCacheBytes } = budgetFor(1_152 * MIB);
  const { heapShare, programHeapBytes } = EDGE_LIMITS;
  expect(maxHeldBytes + bodyCacheBytes + programHeapBytes).toBeLessThanOrEqual(
    1_152 * MIB * heapShare,
  );
});

it('holds fewer tasks and bodies in a small heap, and in none that it has too little', () => {
  const small = budgetFor(512 * MIB);
  expect(small.bodyCacheBytes).toBeLessThanOrEqual(52 * MIB);
  const heap = small.maxHeldTasks * CORE_LIMITS.heldTaskBytes + small.bodyCacheBytes;
  expect(heap).toBeLessThan(512 * MIB * EDGE_LIMITS.heapShare);
  expect(budgetFor(32 * MIB).maxHeldTasks).toBe(EDGE_LIMITS.leastHeldTasks);
});

it('leaves less for tasks where a larger budget for bodies was set', () => {
  expect(budgetFor(768 * MIB, 256 * MIB).maxHeldTasks).toBeLessThan(
    budgetFor(768 * MIB).maxHeldTasks,
  );
});

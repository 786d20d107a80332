import { EDGE_LIMITS } from '../../edge-limits';
import { budgetTries, gainOf, growthOf, leastBudgets, sumOf } from './store-budgets';

const MIB = 1024 * 1024;
const wanted = new Map([
  ['TASKS', 300 * MIB],
  ['RESULTS', 600 * MIB],
  ['EVENTS', 8 * MIB],
]);

it('tries all that is wanted first, and takes it whole where there is just room for it', () => {
  const [first] = budgetTries(wanted);
  expect(first).toEqual({ budgets: wanted, roomBytes: 908 * MIB });
});

it('shrinks all budgets alike, never below the least, and leaves room beside them', () => {
  const tries = [...budgetTries(wanted)];
  const rooms = tries.map(({ roomBytes }) => roomBytes);
  // The first try leaves nothing beside the streams; after it the room asked for only falls.
  expect(rooms.slice(1)).toEqual([...rooms.slice(1)].sort((a, b) => b - a));
  for (const { budgets, roomBytes } of tries.slice(1, -1)) {
    expect(sumOf(budgets)).toBeLessThanOrEqual(EDGE_LIMITS.budgetedShare * roomBytes + 1);
    const [tasks = 0, results = 0, events = 0] = budgets.values();
    expect(events).toBe(8 * MIB);
    expect(tasks).toBeGreaterThanOrEqual(EDGE_LIMITS.leastStreamBytes);
    if (tasks > EDGE_LIMITS.leastStreamBytes) expect(results / tasks).toBeCloseTo(2);
  }
});

it('ends with the least of each', () => {
  const last = [...budgetTries(wanted)].at(-1);
  expect(last?.budgets).toEqual(leastBudgets(wanted));
  expect(last?.roomBytes).toBe((16 + 16 + 8) * MIB);
});

it('grows what is smaller than wanted, leaves the larger and the unbounded as they are', () => {
  const existing = new Map([
    ['TASKS', 100 * MIB],
    ['RESULTS', 700 * MIB],
    ['EVENTS', -1],
  ]);
  const growth = growthOf(wanted, existing);
  expect([...growth]).toEqual([['TASKS', 300 * MIB]]);
  expect(gainOf(growth, existing)).toBe(200 * MIB);
});

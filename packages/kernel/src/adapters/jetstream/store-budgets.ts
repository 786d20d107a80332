/**
 * How many bytes each budgeted stream gets. Pure.
 *
 * The whole budget is fitted to the room before any stream is made, so that none is left with
 * nothing because those before it took it all.
 */
import { EDGE_LIMITS } from '../../edge-limits';

/** Bytes by the name of a stream. */
export type Budgets = ReadonlyMap<string, number>;

export function sumOf(budgets: Budgets): number {
  return [...budgets.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Below this no stream is made: what it holds would be refused within moments. */
export function leastBudgets(wanted: Budgets): Budgets {
  return new Map([...wanted].map(([name, bytes]) => [name, leastOf(bytes)]));
}

function leastOf(bytes: number): number {
  return Math.min(bytes, EDGE_LIMITS.leastStreamBytes);
}

/**
 * What to try, the largest first: all that is wanted, then ever less of all of them together. Where
 * the server has less room than was wanted, part of what it has is left to what has no budget.
 */
export function* budgetTries(wanted: Budgets): Generator<{
  readonly budgets: Budgets;
  /** What the server must have room for. */
  readonly roomBytes: number;
}> {
  yield { budgets: wanted, roomBytes: sumOf(wanted) };
  const leastBytes = sumOf(leastBudgets(wanted));
  for (let share = 1; ; share *= EDGE_LIMITS.budgetStep) {
    const scaled = [...wanted].map(([name, bytes]): [string, number] => {
      return [name, Math.max(leastOf(bytes), Math.floor(bytes * share))];
    });
    const budgets = new Map(scaled);
    const bytes = sumOf(budgets);
    if (bytes <= leastBytes) break;
    yield { budgets, roomBytes: Math.ceil(bytes / EDGE_LIMITS.budgetedShare) };
  }
  yield { budgets: leastBudgets(wanted), roomBytes: leastBytes };
}

/** The streams that are smaller than wanted: none is ever made smaller. */
export function growthOf(wanted: Budgets, existing: Budgets): Budgets {
  return new Map(
    [...wanted].filter(([name, bytes]) => {
      const now = existing.get(name);
      // No limit at all is a limit that someone chose.
      return now !== undefined && now > 0 && now < bytes;
    }),
  );
}

/** Of the streams in `growth`, what they gain together. */
export function gainOf(growth: Budgets, existing: Budgets): number {
  return [...growth].reduce((sum, [name, bytes]) => sum + bytes - (existing.get(name) ?? 0), 0);
}

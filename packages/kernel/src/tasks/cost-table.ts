/**
 * What the attempts of each tenant have cost under this leader. One writer: `scheduling/costs.ts`.
 * Totals only grow. Beyond a bound of tenants, the further ones share one row.
 */
import type { AttemptCost } from '@llmos/base';
import { NO_COST, addCosts } from '@llmos/base';

/** No tenant has this name: parentheses are no part of a token. */
export const OTHER_TENANTS = '(others)';

export class CostTable {
  private readonly totals = new Map<string, AttemptCost>();

  constructor(private readonly maxTenants: number) {}

  add(tenant: string, cost: AttemptCost): void {
    const isKnown = this.totals.has(tenant) || this.totals.size < this.maxTenants;
    const row = isKnown ? tenant : OTHER_TENANTS;
    this.totals.set(row, addCosts(this.totals.get(row) ?? NO_COST, cost));
  }

  get byTenant(): ReadonlyMap<string, AttemptCost> {
    return this.totals;
  }
}

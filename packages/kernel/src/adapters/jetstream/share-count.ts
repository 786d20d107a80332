/**
 * Sums up what each tenant has in a store, in bounded memory: names of tenants are as many as
 * whoever publishes likes, and a store of results has room for millions.
 *
 * With few tenants all sums are exact. Beyond `maxTenants` the smallest are given up, and every
 * other one loses as much as the largest of them had (the count of frequent items of Misra and
 * Gries): no sum is too large, none too small by more than one of `maxTenants` parts of the store.
 * A tenant that has half of it is found for certain, and nobody is taken for one that has more.
 */
import type { TenantId } from '@llmos/base';
import { ownText } from '@llmos/base';
import type { StoredShare } from '../../ports/result-store';

interface Sum {
  bytes: number;
  readonly oldestWallMs: number;
}

export class ShareCount {
  private readonly sums = new Map<TenantId, Sum>();

  constructor(private readonly maxTenants: number) {}

  /** Tenants that are remembered. */
  get size(): number {
    return this.sums.size;
  }

  /** Of what a store has, the oldest first. */
  add(tenant: TenantId, bytes: number, storedWallMs: number): void {
    const sum = this.sums.get(tenant);
    if (sum !== undefined) {
      sum.bytes += bytes;
      return;
    }
    this.sums.set(ownText(tenant) as TenantId, { bytes, oldestWallMs: storedWallMs });
    // Seldom enough to cost little for each that is added.
    if (this.sums.size >= 2 * this.maxTenants) this.giveUpSmallest();
  }

  shares(): Map<TenantId, StoredShare> {
    if (this.sums.size > this.maxTenants) this.giveUpSmallest();
    return this.sums;
  }

  private giveUpSmallest(): void {
    const sorted = Float64Array.from(this.sums.values(), ({ bytes }) => bytes).sort();
    const lost = sorted[sorted.length - 1 - this.maxTenants] ?? 0;
    for (const [tenant, sum] of this.sums) {
      sum.bytes -= lost;
      if (sum.bytes <= 0) this.sums.delete(tenant);
    }
  }
}

/**
 * Ids that were cancelled, and when, for tasks and children that come in later.
 *
 * How many are remembered is bounded, and each tenant has its share: once all places are taken, one
 * that has its share or more makes room with its own oldest. Who cancels without end forgets his.
 */
import type { TaskId, TenantId } from '@llmos/base';
import { RecentMap } from '@llmos/base';

export class CancelledIds {
  /** Of tenants that have any. */
  private readonly tenants = new Map<TenantId, RecentMap<TaskId, number>>();
  private count = 0;

  /** @param maxIds at least 1. */
  constructor(private readonly maxIds: number) {}

  get size(): number {
    return this.count;
  }

  /** When it was cancelled last, by the monotonic clock; undefined where nobody remembers it. */
  atMs(tenant: TenantId, id: TaskId): number | undefined {
    return this.tenants.get(tenant)?.get(id);
  }

  set(tenant: TenantId, id: TaskId, atMs: number): void {
    let ids = this.tenants.get(tenant);
    if (ids?.get(id) === undefined) {
      if (this.count >= this.maxIds) this.makeRoom(tenant, ids?.size ?? 0);
      this.count += 1;
      // It may have made room with its last one.
      ids = this.tenants.get(tenant) ?? new RecentMap<TaskId, number>(this.maxIds);
      this.tenants.set(tenant, ids);
    }
    ids.set(id, atMs);
  }

  private makeRoom(tenant: TenantId, own: number): void {
    const share = this.maxIds / Math.max(1, this.tenants.size);
    const victim = own >= share ? tenant : this.nextAbove(share);
    const ids = this.tenants.get(victim);
    ids?.deleteOldest();
    this.count -= 1;
    if (ids?.size === 0) this.tenants.delete(victim);
  }

  /** One of those that have their share; not the same one each time. */
  private nextAbove(share: number): TenantId {
    for (const [tenant, ids] of this.tenants) {
      if (ids.size < share) continue;
      this.tenants.delete(tenant);
      this.tenants.set(tenant, ids);
      return tenant;
    }
    throw new Error('some tenant has no less than the mean of all');
  }
}

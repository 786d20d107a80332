/**
 * Ends of tasks that were cancelled before they came in, on their way to the store. They have
 * places of their own, each tenant its part: however many unknown ids are cancelled, the ends of
 * tasks that are there don't wait for them. Sole writer of what is asked for.
 */
import type { TaskId, TenantId } from '@llmos/base';
import { Tally } from '@llmos/base';
import { taskName } from './task-table';

export class EarlyCancels {
  private readonly asked = new Set<string>();
  private readonly byTenant = new Tally<TenantId>();

  constructor(
    private readonly maxOpen: number,
    private readonly maxOpenPerTenant: number,
  ) {}

  /** False where it is asked for already, or has no place. */
  tryBegin(tenant: TenantId, id: TaskId): boolean {
    const name = taskName(tenant, id);
    const isFull =
      this.asked.size >= this.maxOpen || this.byTenant.of(tenant) >= this.maxOpenPerTenant;
    if (isFull || this.asked.has(name)) return false;
    this.asked.add(name);
    this.byTenant.add(tenant);
    return true;
  }

  /** Whether an answer was to one of these. */
  answered(tenant: TenantId, id: TaskId): boolean {
    if (!this.asked.delete(taskName(tenant, id))) return false;
    this.byTenant.remove(tenant);
    return true;
  }
}

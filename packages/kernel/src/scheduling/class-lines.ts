/**
 * The order of what waits for the stores: a line for each class, the more urgent first, in each the
 * tenants in turn, and what one tenant has in its order. What the core has yet to ask for stands in
 * it (RequestWindow), and so does what was asked for and is not on its way yet (StoreLanes): no
 * other place on the way to the stores knows an order.
 */
import type { TaskClass, TenantId } from '@llmos/base';
import { FairFifo, TASK_CLASSES } from '@llmos/base';

/** Whom a request is for. */
export interface RequestOwner {
  readonly class: TaskClass;
  readonly tenant: TenantId;
}

export class ClassLines<Item> {
  private readonly lines: Readonly<Record<TaskClass, FairFifo<TenantId, Item>>> = {
    interactive: new FairFifo(),
    standard: new FairFifo(),
    batch: new FairFifo(),
  };

  /** Of a class, or of all. */
  waiting(of?: TaskClass): number {
    if (of !== undefined) return this.lines[of].size;
    return TASK_CLASSES.reduce((count, each) => count + this.lines[each].size, 0);
  }

  push({ class: taskClass, tenant }: RequestOwner, item: Item): void {
    this.lines[taskClass].push(tenant, item);
  }

  /** The most urgent class of which something waits and may go. */
  first(mayGo: (taskClass: TaskClass) => boolean): TaskClass | undefined {
    return TASK_CLASSES.find((each) => this.lines[each].size > 0 && mayGo(each));
  }

  /** @param mayGo a tenant that is passed over keeps its turn. */
  take(taskClass: TaskClass, mayGo?: (tenant: TenantId) => boolean): Item | undefined {
    return this.lines[taskClass].take(mayGo);
  }

  takeAll(): readonly Item[] {
    return TASK_CLASSES.flatMap((each) => this.lines[each].takeAll());
  }
}

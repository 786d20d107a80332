/**
 * What the core asks the stores for by masses: the kernel's own results, and look-ups of ids.
 *
 * Tasks may end, or come in, by the 100,000 at once (a removed model, a cancelled family, deadlines
 * in one moment, a flood), and each is a request that somebody must hold until it is answered. So
 * only so many are on their way at a time; the others wait here, in the order of the policy. Sole
 * writer of its line.
 */
import type { TaskClass } from '@llmos/base';
import { TASK_CLASSES } from '@llmos/base';
import type { Task } from '../tasks/task';
import type { RequestLine } from './queue-policy';

/** Enough room is left for what is more urgent. */
const SHARE_OPEN: Readonly<Record<TaskClass, number>> = {
  interactive: 1,
  standard: 0.75,
  batch: 0.5,
};

export class RequestWindow {
  private openCount = 0;
  private isMass = false;
  private readonly waitingOfMasses = new Set<Task>();

  constructor(
    private readonly line: RequestLine,
    private readonly limits: { readonly maxOpen: number; readonly maxWaiting: number },
  ) {}

  /** Asked for and not answered yet. */
  get open(): number {
    return this.openCount;
  }

  /**
   * Whether a mass may go on ending: what waits here takes memory. Others that wait, such as
   * refusals of one tenant's flood, came one by one and keep no mass from going on.
   */
  get hasRoom(): boolean {
    return this.waitingOfMasses.size < this.limits.maxWaiting;
  }

  /** What `act` pushes belongs to a mass. */
  ofMass<T>(act: () => T): T {
    this.isMass = true;
    try {
      return act();
    } finally {
      this.isMass = false;
    }
  }

  /** Of a class, or of all. */
  waiting(of?: TaskClass): number {
    const classes: readonly TaskClass[] = of === undefined ? TASK_CLASSES : [of];
    return classes.reduce((count, each) => count + this.line.sizeOf(each), 0);
  }

  push(task: Task): void {
    this.line.push(task);
    if (this.isMass) this.waitingOfMasses.add(task);
  }

  /** Counts one that is asked for. */
  begin(): void {
    this.openCount += 1;
  }

  answered(): void {
    this.openCount = Math.max(0, this.openCount - 1);
  }

  hasNext(): boolean {
    return TASK_CLASSES.some((each) => this.line.sizeOf(each) > 0 && this.mayGo(each));
  }

  /** The next one to ask for; whoever takes it calls `begin` if it still ends. */
  next(): Task | undefined {
    const task = this.line.take((taskClass) => this.mayGo(taskClass));
    if (task !== undefined) this.waitingOfMasses.delete(task);
    return task;
  }

  private mayGo(taskClass: TaskClass): boolean {
    return this.openCount < Math.floor(this.limits.maxOpen * SHARE_OPEN[taskClass]);
  }
}

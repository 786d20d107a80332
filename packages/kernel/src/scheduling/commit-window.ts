/**
 * The kernel's own results on their way to the stores.
 *
 * Tasks may end by the 100,000 at once (a removed model, a cancelled family, deadlines in one
 * moment), and each end is a request that somebody must hold until it is answered. So only so many
 * are on their way at a time; the others wait here, the more urgent class first, within it the
 * tenants in turn, and the tasks of each in order. Sole writer of its lines.
 */
import type { TaskClass, TenantId } from '@llmos/base';
import { FairFifo, TASK_CLASSES } from '@llmos/base';
import { CORE_LIMITS } from '../limits';
import type { Task } from '../tasks/task';

/** Enough room is left for what is more urgent. */
const MOST_OPEN: Readonly<Record<TaskClass, number>> = {
  interactive: CORE_LIMITS.maxOpenCommits,
  standard: Math.floor(CORE_LIMITS.maxOpenCommits * 0.75),
  batch: Math.floor(CORE_LIMITS.maxOpenCommits / 2),
};

export class CommitWindow {
  private readonly lines: Readonly<Record<TaskClass, FairFifo<TenantId, Task>>> = {
    interactive: new FairFifo(),
    standard: new FairFifo(),
    batch: new FairFifo(),
  };
  private openCount = 0;

  /** Asked for and not answered yet. */
  get open(): number {
    return this.openCount;
  }

  get isFull(): boolean {
    return this.openCount >= CORE_LIMITS.maxOpenCommits;
  }

  /** Whether a mass may go on ending: what waits here takes memory. */
  get hasRoom(): boolean {
    return this.waiting() < CORE_LIMITS.maxWaitingCommits;
  }

  /** Of a class, or of all. */
  waiting(of?: TaskClass): number {
    const classes: readonly TaskClass[] = of === undefined ? TASK_CLASSES : [of];
    return classes.reduce((count, each) => count + this.lines[each].size, 0);
  }

  push(task: Task): void {
    const { spec } = task;
    this.lines[spec.class].push(spec.tenant, task);
  }

  /** Counts one that is asked for without a task. */
  begin(): void {
    this.openCount += 1;
  }

  answered(): void {
    this.openCount = Math.max(0, this.openCount - 1);
  }

  hasNext(): boolean {
    return TASK_CLASSES.some((each) => this.mayGo(each));
  }

  /** The next one to ask for; whoever takes it calls `begin` if it still ends. */
  next(): Task | undefined {
    const taskClass = TASK_CLASSES.find((each) => this.mayGo(each));
    return taskClass === undefined ? undefined : this.lines[taskClass].take();
  }

  private mayGo(taskClass: TaskClass): boolean {
    return this.waiting(taskClass) > 0 && this.openCount < MOST_OPEN[taskClass];
  }
}

/**
 * What the core asks the stores for by masses: the kernel's own results, and look-ups of ids.
 *
 * Tasks may end, or come in, by the 100,000 at once (a removed model, a cancelled family, deadlines
 * in one moment, a flood), and each is a request that somebody must hold until it is answered. So
 * only so many are on their way at a time; the others wait here, in the order of ClassLines. Sole
 * writer of its lines.
 */
import type { TaskClass } from '@llmos/base';

import type { Task } from '../tasks/task';
import { ClassLines } from './class-lines';

/** Enough room is left for what is more urgent. */
const SHARE_OPEN: Readonly<Record<TaskClass, number>> = {
  interactive: 1,
  standard: 0.75,
  batch: 0.5,
};

export class RequestWindow {
  private readonly lines = new ClassLines<Task>();
  private openCount = 0;
  private isMass = false;
  private readonly waitingOfMasses = new Set<Task>();

  constructor(
    private readonly maxOpen: number,
    private readonly maxWaiting: number,
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
    return this.waitingOfMasses.size < this.maxWaiting;
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
    return this.lines.waiting(of);
  }

  push(task: Task): void {
    this.lines.push(task.spec, task);
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
    return this.nextClass() !== undefined;
  }

  /** The next one to ask for; whoever takes it calls `begin` if it still ends. */
  next(): Task | undefined {
    const taskClass = this.nextClass();
    const task = taskClass === undefined ? undefined : this.lines.take(taskClass);
    if (task !== undefined) this.waitingOfMasses.delete(task);
    return task;
  }

  private nextClass(): TaskClass | undefined {
    return this.lines.first((each) => this.openCount < Math.floor(this.maxOpen * SHARE_OPEN[each]));
  }
}

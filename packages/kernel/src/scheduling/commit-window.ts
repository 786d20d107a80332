/**
 * The kernel's own results on their way to the stores.
 *
 * Tasks may end by the 100,000 at once (a removed model, a cancelled family, deadlines in one
 * moment), and each end is a request that somebody must hold until it is answered. So only so many
 * are on their way at a time; the others wait here, the more urgent class first, in order within
 * it. Sole writer of its lines.
 */
import type { TaskClass } from '@llmos/base';
import { TASK_CLASSES } from '@llmos/base';
import { CORE_LIMITS } from '../limits';
import type { Task } from '../tasks/task';

/** Enough room is left for what is more urgent. */
const MOST_OPEN: Readonly<Record<TaskClass, number>> = {
  interactive: CORE_LIMITS.maxOpenCommits,
  standard: Math.floor(CORE_LIMITS.maxOpenCommits * 0.75),
  batch: Math.floor(CORE_LIMITS.maxOpenCommits / 2),
};

interface Line {
  tasks: Task[];
  /** Of the first that waits: a long line must not be shifted one by one. */
  first: number;
}

export class CommitWindow {
  private readonly lines: Readonly<Record<TaskClass, Line>> = {
    interactive: { tasks: [], first: 0 },
    standard: { tasks: [], first: 0 },
    batch: { tasks: [], first: 0 },
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
    let count = 0;
    for (const each of of === undefined ? TASK_CLASSES : [of]) {
      const { tasks, first } = this.lines[each];
      count += tasks.length - first;
    }
    return count;
  }

  push(task: Task): void {
    this.lines[task.spec.class].tasks.push(task);
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
    if (taskClass === undefined) return undefined;
    const line = this.lines[taskClass];
    const task = line.tasks[line.first];
    line.first += 1;
    if (line.first === line.tasks.length) {
      line.tasks = [];
      line.first = 0;
    } else if (line.first > 1_000 && line.first * 2 > line.tasks.length) {
      line.tasks.splice(0, line.first);
      line.first = 0;
    }
    return task;
  }

  private mayGo(taskClass: TaskClass): boolean {
    return this.waiting(taskClass) > 0 && this.openCount < MOST_OPEN[taskClass];
  }
}

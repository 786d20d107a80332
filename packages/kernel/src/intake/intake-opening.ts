/** Which classes of tasks may be taken in now: the less urgent a class, the sooner it waits. Pure. */
import { TASK_CLASSES, classRank } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import { CORE_LIMITS } from '../limits';
import type { IntakeOpening } from '../ports/task-stream';

export function openingFor(of: {
  readonly heldTasks: number;
  readonly maxHeldTasks: number;
  /** What they weigh in the heap. */
  readonly heldBytes: number;
  readonly maxHeldBytes: number;
  readonly waitingEvents: number;
  readonly hasResultRoom: boolean;
}): IntakeOpening {
  const opening = { interactive: false, standard: false, batch: false };
  for (const taskClass of TASK_CLASSES) {
    /** 0 for the least urgent class. */
    const urgency = TASK_CLASSES.length - 1 - classRank(taskClass);
    const moreTasks = urgency * EDGE_LIMITS.urgentHeldTasks;
    const mostTasks = of.maxHeldTasks + moreTasks;
    const mostBytes = of.maxHeldBytes + moreTasks * CORE_LIMITS.heldTaskBytes;
    const mostEvents = EDGE_LIMITS.maxWaitingEvents * 2 ** urgency;
    const fits = of.heldTasks < mostTasks && of.heldBytes < mostBytes;
    opening[taskClass] = of.hasResultRoom && fits && of.waitingEvents < mostEvents;
  }
  return opening;
}

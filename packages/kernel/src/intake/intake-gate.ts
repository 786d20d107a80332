/**
 * Whether tasks of a class may be taken in now: what keeps them in their stream, where they wait
 * just as safely.
 */
import type { TaskClass } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import type { IntakeOpening } from '../ports/task-stream';

export interface IntakeFacts {
  /** What the core, and the memory for tasks, leave open. */
  readonly opening: IntakeOpening;
  /** The lease has lapsed: somebody else may lead. */
  readonly isSuspended: boolean;
  /** A new leader reads what its backlog must be compared with. */
  readonly isReadingBacklog: boolean;
  /** Requests to the stores of the class that are not sent yet: each task taken in makes some. */
  readonly waitingRequests: number;
}

export function mayTakeIn(taskClass: TaskClass, facts: IntakeFacts): boolean {
  if (!facts.opening[taskClass] || facts.isSuspended) return false;
  // Until it is read, each task would ask the stores by itself; who calls doesn't wait for that.
  if (facts.isReadingBacklog && taskClass !== 'interactive') return false;
  return facts.waitingRequests < EDGE_LIMITS.maxWaitingStoreRequests;
}

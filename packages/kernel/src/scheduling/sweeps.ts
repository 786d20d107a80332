/**
 * Work on very many tasks at once, a part of it in each tick: so that the kernel keeps answering,
 * and keeps its lease, while hundreds of thousands of tasks are released, rerouted or cancelled.
 *
 * A sweep walks over the live table; what it finds is judged in that moment, because tasks go on
 * meanwhile. Every sweep goes through the classes in the order of their urgency.
 */
import type { TaskClass, TaskId, TenantCaller, TenantId } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import type { Task } from '../tasks/task';
import type { CancelCause } from '../tasks/cancel-walks';
import { CancelWalks, walkFamily } from '../tasks/cancel-walks';

/** Where a walk over all tasks stands. */
interface Walk {
  /** Those that are still to be gone through, the present one first. */
  readonly classes: TaskClass[];
  tasks: IterableIterator<Task>;
}

export interface Sweeps {
  /** Held tasks may go: the recovery is over. */
  release: Walk | undefined;
  /** The models changed. */
  reroute: Walk | undefined;
  readonly cancels: CancelWalks;
}

/** What is done with a task that a sweep comes to; false where there was nothing to do. */
export interface SweepActs {
  readonly release: (task: Task) => boolean;
  readonly reroute: (task: Task) => boolean;
  readonly cancel: (task: Task, cause: CancelCause) => void;
}

export function noSweeps(): Sweeps {
  return { release: undefined, reroute: undefined, cancels: new CancelWalks() };
}

/** Whether the next tick can go on with one. */
export function canSweep({ sweeps, commits }: KernelState): boolean {
  if (sweeps.release !== undefined) return true;
  return commits.hasRoom && (sweeps.reroute !== undefined || sweeps.cancels.size > 0);
}

export function beginRelease(state: KernelState): void {
  state.sweeps.release = walkOver(state);
}

/** One that is under way begins again: what it has passed may be judged otherwise now. */
export function beginReroute(state: KernelState): void {
  state.sweeps.reroute = walkOver(state);
}

/** The descendants of a task, itself not among them. */
export function beginFamilyCancel(state: KernelState, tenant: TenantId, id: TaskId): void {
  state.sweeps.cancels.begin(state, { cause: 'CANCELLED', tenant, id });
}

/** What is bound to a caller that is gone, and whatever is part of it. */
export function beginCallerCancel(state: KernelState, of: TenantCaller): void {
  // It may come back with new tasks before these are gone through.
  const upToSequence = state.lastSequence;
  state.sweeps.cancels.begin(state, { cause: 'CALLER_GONE', upToSequence, ...of });
}

/** The part of one tick. */
export function sweep(state: KernelState, acts: SweepActs): void {
  const budget = { left: CORE_LIMITS.maxSweptPerTick, looksLeft: CORE_LIMITS.maxLooksPerTick };
  const { sweeps, commits } = state;
  if (sweeps.release !== undefined && walk(state, sweeps.release, budget, acts.release)) {
    sweeps.release = undefined;
  }
  // These two end tasks.
  const hasRoom = (): boolean => commits.hasRoom;
  const reroute = (task: Task): boolean => commits.ofMass(() => acts.reroute(task));
  if (sweeps.reroute !== undefined && walk(state, sweeps.reroute, budget, reroute, hasRoom)) {
    sweeps.reroute = undefined;
  }
  const cancel = (member: Task, cause: CancelCause): void =>
    commits.ofMass(() => acts.cancel(member, cause));
  while (budget.left > 0 && budget.looksLeft > 0 && hasRoom()) {
    const family = sweeps.cancels.current();
    if (family === undefined) return;
    if (walkFamily(state, family, budget, cancel)) sweeps.cancels.end(state, family);
  }
}

/** Of one tick. */
export interface SweepBudget {
  /** Tasks that something is done with. */
  left: number;
  looksLeft: number;
}

function walkOver(state: KernelState): Walk {
  return { classes: [...state.policy.classes], tasks: state.tasks.all() };
}

/** True once everything was gone through. */
function walk(
  state: KernelState,
  of: Walk,
  budget: SweepBudget,
  act: (task: Task) => boolean,
  mayGoOn: () => boolean = () => true,
): boolean {
  while (budget.left > 0 && budget.looksLeft > 0 && mayGoOn()) {
    const [taskClass] = of.classes;
    if (taskClass === undefined) return true;
    const next = of.tasks.next();
    budget.looksLeft -= 1;
    if (next.done === true) {
      of.classes.shift();
      of.tasks = state.tasks.all();
    } else if (next.value.spec.class === taskClass && act(next.value)) {
      budget.left -= 1;
    }
  }
  return of.classes.length === 0;
}

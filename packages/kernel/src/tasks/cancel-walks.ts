/**
 * Families that are to be cancelled, and how far each walk over one is. One walk goes on at a time,
 * over the live tables: nothing is copied but the ids of members that have a family themselves, so
 * that each family is entered once, whatever cycles there are, and without recursion. A family is
 * entered in the order in which its members came.
 *
 * However often a family is cancelled, it has one walk: one that has not begun stays as it is, one
 * that is under way is walked once more, for what came in behind it. Sole writer of the line.
 */
import type { CallerId, TaskId, TenantId } from '@llmos/base';
import { Fifo } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import type { StopReason, Task } from './task';
import type { Family } from './task-table';
import type { SweepBudget } from '../scheduling/sweeps';

/** Somebody asked for it, or the caller that it was bound to is gone. */
export type CancelCause = Extract<StopReason, 'CANCELLED' | 'CALLER_GONE'>;

/** Whose tasks are cancelled, with everything whose parent or root they are. */
export type WalkOrigin =
  | { readonly cause: 'CANCELLED'; readonly tenant: TenantId; readonly id: TaskId }
  | {
      readonly cause: 'CALLER_GONE';
      readonly tenant: TenantId;
      readonly caller: CallerId;
      /** What it sent after this was sent by one that is back. */
      readonly upToSequence: number;
    };

export interface CancelWalk {
  origin: WalkOrigin;
  /** Undefined until it begins. */
  steps: Steps | undefined;
  /** Asked for while it was under way. */
  again: WalkOrigin | undefined;
}

interface Steps {
  /** Of the members whose families are, or will be, entered; in this order. */
  readonly ids: Set<TaskId>;
  readonly nextIds: Iterator<TaskId>;
  /** The family that is gone through, and how many members it may still have of when it began. */
  members: Iterator<Task>;
  left: number;
  /** Only those bound to the caller have to have come before it was gone. */
  upToSequence: number;
}

export class CancelWalks {
  private line = new Fifo<CancelWalk>();
  private readonly byName = new Map<string, CancelWalk>();

  /** Those that wait, and the one that is under way. */
  get size(): number {
    return this.byName.size;
  }

  /** Does nothing where nobody is there to be cancelled. */
  begin(state: KernelState, origin: WalkOrigin): void {
    const name = nameOf(origin);
    const known = this.byName.get(name);
    if (known !== undefined) {
      if (known.steps === undefined) known.origin = origin;
      else known.again = origin;
      return;
    }
    if (!hasMembers(state, origin)) return;
    this.add({ origin, steps: undefined, again: undefined });
    const { tasks, callers } = state;
    // Twice as many, so that they are seldom looked through.
    const most = 2 * (tasks.familyCount + callers.size) + CORE_LIMITS.spareCancelWalks;
    if (this.size > most) this.dropEmpty(state);
  }

  /** The one that goes on now. */
  current(): CancelWalk | undefined {
    return this.line.peek();
  }

  /** The current one is through; where it was asked for meanwhile, it has another turn. */
  end(state: KernelState, walk: CancelWalk): void {
    this.line.take();
    this.byName.delete(nameOf(walk.origin));
    if (walk.again !== undefined) this.begin(state, walk.again);
  }

  private add(walk: CancelWalk): void {
    this.byName.set(nameOf(walk.origin), walk);
    this.line.push(walk);
  }

  /** The members of a family that waits may have ended by themselves. */
  private dropEmpty(state: KernelState): void {
    const walks = this.line.takeAll();
    this.byName.clear();
    for (const walk of walks) {
      if (walk.steps !== undefined || hasMembers(state, walk.origin)) this.add(walk);
    }
  }
}

/** Goes on with it for as long as the budget lasts; true once it is through. */
export function walkFamily(
  state: KernelState,
  walk: CancelWalk,
  budget: SweepBudget,
  cancel: (member: Task, cause: CancelCause) => void,
): boolean {
  const { origin } = walk;
  const { tenant, cause } = origin;
  walk.steps ??= firstSteps(state, walk.origin);
  const { steps } = walk;
  while (budget.left > 0 && budget.looksLeft > 0 && state.commits.hasRoom) {
    budget.looksLeft -= 1;
    const member = nextMember(steps);
    if (member === undefined) {
      if (!enterNext(state, steps, tenant)) return true;
      continue;
    }
    if (boundAt(member) > steps.upToSequence) continue;
    budget.left -= 1;
    if (state.tasks.hasFamily(tenant, member.spec.id)) steps.ids.add(member.spec.id);
    cancel(member, cause);
    // Each member that is remembered may be one too many, and its root is the oldest: without it
    // those that come in later would run.
    if (origin.cause === 'CANCELLED') state.cancelled.set(tenant, origin.id, state.now.nowMs);
  }
  return false;
}

function firstSteps(state: KernelState, origin: WalkOrigin): Steps {
  const isFamily = origin.cause === 'CANCELLED';
  const ids = new Set<TaskId>(isFamily ? [origin.id] : []);
  const { size, members }: Family = isFamily
    ? NOBODY
    : { size: state.callers.sizeOf(origin), members: state.callers.tasksOf(origin) };
  const upToSequence = isFamily ? Infinity : origin.upToSequence;
  return { ids, nextIds: ids.values(), members, left: size, upToSequence };
}

const NOBODY: Family = { size: 0, members: [].values() };

/** Of those that were there when the family was entered, or stand in the place of one of them. */
function nextMember(steps: Steps): Task | undefined {
  if (steps.left === 0) return undefined;
  steps.left -= 1;
  const next = steps.members.next();
  return next.done === true ? undefined : next.value;
}

/** The next family; false where there is none. */
function enterNext(state: KernelState, steps: Steps, tenant: TenantId): boolean {
  const next = steps.nextIds.next();
  if (next.done === true) return false;
  const { size, members } = state.tasks.familyOf(tenant, next.value) ?? NOBODY;
  steps.members = members;
  steps.left = size;
  steps.upToSequence = Infinity;
  return true;
}

/** The sequence of the message that decided whom it is bound to. */
function boundAt({ spec, repeat }: Task): number {
  return (repeat ?? spec).sequence;
}

function hasMembers({ tasks, callers }: KernelState, origin: WalkOrigin): boolean {
  return origin.cause === 'CANCELLED'
    ? tasks.hasFamily(origin.tenant, origin.id)
    : callers.sizeOf(origin) > 0;
}

function nameOf(origin: WalkOrigin): string {
  const of = origin.cause === 'CANCELLED' ? origin.id : origin.caller;
  return `${origin.cause}/${origin.tenant}/${of}`;
}

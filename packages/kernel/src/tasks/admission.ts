/**
 * Intake: every stored message becomes a live task, shares a live one's result, or ends at once.
 * Idempotent by stream sequence; one live task per tenant and id (K4).
 */
import type { ErrorBody, TaskIdentity, TenantId } from '@llmos/base';
import {
  NO_COST,
  WIRE_LIMITS,
  errorBody,
  isOther,
  isShortLived,
  otherTaskError,
  taskIdOfSequence,
} from '@llmos/base';
import type { Arrival } from '../kernel-event';
import { emit, type KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import { chooseTarget } from './routing';
import { WAITING_STATES, isAnswered, type Task } from './task';
import { stopError } from './task-outcomes';
import type { AttemptFailure, TaskSpec } from './task-spec';
import { identityOf } from './task-spec';
import { storedBytes, taskName } from './task-table';
import { readyTask } from './queueing';
import { deadLetterTask, endTask, finishTask, leaveTables, refuseTask, retire } from './task-end';
import { moveTask } from './task-moves';

/** Shared by all tasks that never failed. */
const NO_FAILURES: readonly AttemptFailure[] = [];

/** Why a message is not to run, as it was judged before it came here, and how it came. */
export interface Judgement {
  /** Its headers or its body can't be read. */
  readonly malformed?: ErrorBody;
  /** Its tenant is over a limit. */
  readonly refusal?: ErrorBody;
  readonly arrival?: Arrival;
}

export function takeIn(state: KernelState, spec: TaskSpec, judgement: Judgement = {}): void {
  const { malformed } = judgement;
  state.lastSequence = Math.max(state.lastSequence, spec.sequence);
  if (state.tasks.get(spec.sequence) !== undefined) return;
  const isRepeated = judgement.arrival === 'again';
  if (spec.sequence <= state.recoverUpToSequence) state.lastRecoveredIntakeMs = state.now.nowMs;
  const live = state.tasks.find(spec.tenant, spec.id);
  if (live !== undefined && !giveWay(state, live, spec)) return;
  const limit = malformed === undefined ? limitError(state, spec, judgement) : undefined;
  const task = createTask(state, inheritFrom(state, spec));
  state.tasks.add(task);
  state.callers.add(task);
  // A repeated one has ended, most likely: those behind it in its line must not wait again.
  if (!isRepeated) state.chains.add(task);
  const error = malformed ?? endedBefore(state, task);
  if (limit !== undefined) {
    refuseTask(state, task, limit);
  } else if (error?.code === 'INTERNAL') {
    // A mistake of ours: what was asked for must not be lost with it.
    deadLetterTask(state, task, { reason: 'intake-failed', error });
  } else if (error !== undefined) {
    endTask(state, task, error);
  } else if (task.mayRunElsewhere || isRepeated || mayHaveEnded(state, spec)) {
    moveTask(state, task, WAITING_STATES.lookingUp);
    state.lookUps.push(task);
  } else {
    routeTask(state, task);
  }
}

/**
 * Two messages of one id. Of the same task, they share one result; of another one, the id belongs
 * to the first in the stream, and the other ends under the number of its message.
 *
 * @returns whether the live task made room for one that was stored before it.
 */
function giveWay(state: KernelState, live: Task, spec: TaskSpec): boolean {
  const own = identityOf(live.spec);
  const other = identityOf(spec);
  if (own === undefined || other === undefined || !isOther(own, other)) {
    shareResult(state, live, spec);
    return false;
  }
  if (spec.sequence < live.spec.sequence && isWaiting(live)) {
    endUnderSequence(state, live, other);
    return true;
  }
  refuseId(state, spec, own);
  return false;
}

/**
 * The live task keeps its own message unacknowledged until the result that both share is there.
 * The newest one decides whom the task is bound to, also for the next leader: so one that comes
 * from another caller is kept as well, in the place of an earlier one.
 */
function shareResult(state: KernelState, live: Task, spec: TaskSpec): void {
  const { repeat = live.spec } = live;
  // The one that is kept, delivered again.
  if (spec.sequence === repeat.sequence) return;
  if (spec.sequence < repeat.sequence || spec.caller === repeat.caller) {
    emit(state, { kind: 'acknowledge', sequence: spec.sequence });
    return;
  }
  if (repeat !== live.spec) emit(state, { kind: 'acknowledge', sequence: repeat.sequence });
  state.callers.remove(live);
  state.tasks.setRepeat(live, spec);
  state.callers.add(live);
}

/** Ends a message under its number: its id is that of another task, `first`. */
function refuseId(state: KernelState, spec: TaskSpec, first: TaskIdentity): void {
  const { digest: _digest, key: _key, caller: _caller, isIdNew: _isIdNew, ...rest } = spec;
  const id = taskIdOfSequence(spec.sequence);
  const task = createTask(state, { ...rest, id, hasOwnId: false });
  state.tasks.add(task);
  endTask(state, task, otherTaskError(spec.id, first, identityOf(spec) ?? first));
}

/** The same for a task that is live already, and has not run. */
function endUnderSequence(state: KernelState, task: Task, first: TaskIdentity): void {
  const next = leaveTables(state, task);
  refuseId(state, task.spec, first);
  if (task.repeat !== undefined) refuseId(state, task.repeat, first);
  if (next?.state.kind === 'blocked') readyTask(state, next);
}

/** Ends one whose id has the result of another task, `first`. */
export function endBehindOther(state: KernelState, task: Task, first: TaskIdentity): void {
  // The result that is there is that of the id: who calls it new from now on is wrong.
  state.endedIds.set(taskName(task.spec.tenant, task.spec.id), true);
  endUnderSequence(state, task, first);
}

function isWaiting(task: Task): boolean {
  const { kind } = task.state;
  return kind === 'looking-up' || kind === 'unrouted' || kind === 'blocked' || kind === 'queued';
}

/** Asks whether their results are there, of as many as may be asked at once. */
export function flushLookUps(state: KernelState): void {
  for (let task = state.lookUps.next(); task !== undefined; task = state.lookUps.next()) {
    // It was cancelled meanwhile, or made room for an earlier one of its id.
    const isLive = state.tasks.get(task.spec.sequence) === task;
    if (!isLive || task.state.kind !== 'looking-up') continue;
    task.isLookingUp = true;
    state.lookUps.begin();
    emit(state, { kind: 'look-up-result', spec: task.spec });
  }
}

export interface LookUpAnswer {
  readonly isCommitted: boolean;
  readonly attempts: number;
  readonly uncounted?: number;
  readonly isApart: boolean;
  readonly failures?: readonly AttemptFailure[];
  readonly other?: TaskIdentity;
}

export function applyLookUp(state: KernelState, task: Task, answer: LookUpAnswer): void {
  task.isLookingUp = false;
  if (answer.attempts > 0) task.hasAttemptRow = true;
  if (task.state.kind === 'settling' && isAnswered(task)) retire(state, task);
  if (task.state.kind !== 'looking-up') return;
  const { told } = task.state;
  task.attempt = Math.max(1, answer.attempts);
  task.uncountedAttempts = answer.uncounted ?? 0;
  task.isApart = answer.isApart;
  task.failures = answer.failures ?? NO_FAILURES;
  if (answer.other !== undefined) return endBehindOther(state, task, answer.other);
  // The answer may be older than the end that was told.
  if (answer.isCommitted || told !== undefined) {
    finishTask(state, task, told ?? 'known');
    return;
  }
  state.chains.add(task);
  routeTask(state, task);
}

/** Finds out what serves it; waits where the models are not known yet. */
function routeTask(state: KernelState, task: Task): void {
  if (!state.catalog.isKnown) {
    moveTask(state, task, WAITING_STATES.unrouted);
    return;
  }
  const outcome = chooseTarget(task.spec, state.catalog);
  if (outcome.kind === 'refused') {
    endTask(state, task, outcome.error);
    return;
  }
  task.target = outcome.target;
  readyTask(state, task);
}

/** The models changed: routes what waited for them, ends what waits for one that is gone. */
export function rerouteTask(state: KernelState, task: Task): boolean {
  const { kind } = task.state;
  if (kind === 'unrouted') {
    routeTask(state, task);
    return true;
  }
  const isWaiting =
    kind === 'blocked' || kind === 'held' || kind === 'queued' || kind === 'backing-off';
  if (!isWaiting || task.target === undefined || state.catalog.isTarget(task.target)) return false;
  endTask(state, task, errorBody('NOT_FOUND', `model ${task.target} was removed`));
  return true;
}

/** A child of a live task ends no later than its parent and is as urgent, unless it says so. */
function inheritFrom(state: KernelState, spec: TaskSpec): TaskSpec {
  const parent = spec.parent === undefined ? undefined : state.tasks.find(spec.tenant, spec.parent);
  if (parent === undefined) return spec;
  const deadlineWallMs = Math.min(spec.deadlineWallMs ?? Infinity, parent.deadlineWallMs);
  return spec.hasOwnPriority
    ? { ...spec, deadlineWallMs }
    : { ...spec, deadlineWallMs, priority: parent.spec.priority };
}

function createTask(state: KernelState, spec: TaskSpec): Task {
  // A repeat that is taken in after the result is forgotten would run again: an id lives no longer.
  const isShort = spec.hasOwnId && isShortLived(spec.keepMs);
  const lifeMs = isShort ? WIRE_LIMITS.answerKeepMs : WIRE_LIMITS.maxTimeoutMs;
  const capWallMs = spec.storedWallMs + lifeMs;
  return {
    spec,
    repeat: undefined,
    deadlineWallMs: Math.min(spec.deadlineWallMs ?? capWallMs, capWallMs),
    mayRunElsewhere: spec.sequence <= state.recoverUpToSequence,
    target: undefined,
    state: WAITING_STATES.lookingUp,
    attempt: 1,
    uncountedAttempts: 0,
    preemptions: 0,
    unaskedReturns: 0,
    cost: NO_COST,
    ranAt: undefined,
    isApart: false,
    failures: NO_FAILURES,
    hasAttemptRow: false,
    isRecording: false,
    isLookingUp: false,
  };
}

/**
 * Whether an earlier message of its id may have its result. A client that made the id for this
 * message says that there is none; where it is wrong and this leader can't know it, the task runs
 * again, its commit is refused, and the first result stays.
 */
function mayHaveEnded(state: KernelState, spec: TaskSpec): boolean {
  if (!spec.hasOwnId) return false;
  return spec.isIdNew !== true || state.endedIds.get(taskName(spec.tenant, spec.id)) === true;
}

function limitError(
  state: KernelState,
  spec: TaskSpec,
  { refusal }: Judgement,
): ErrorBody | undefined {
  // What came in before this leader may have run: its tenant's room was judged then.
  if (refusal !== undefined && spec.sequence > state.recoverUpToSequence) return refusal;
  return refusalOf(state, spec.tenant, spec.bodyBytes ?? 0);
}

/** Why a tenant may not have one more task, with a body of this size. */
export function refusalOf(
  state: KernelState,
  tenant: TenantId,
  bodyBytes: number,
): ErrorBody | undefined {
  const { maxTasks, maxTasksPerTenant } = state.config;
  const details = { retryAfterMs: CORE_LIMITS.retryAfterMs };
  if (state.tasks.size >= maxTasks) {
    const message = `the kernel holds ${state.tasks.size} tasks, its limit is ${maxTasks}`;
    return errorBody('RESOURCE_EXHAUSTED', message, { details });
  }
  const count = state.tasks.sizeOf(tenant);
  if (count >= maxTasksPerTenant) {
    const message = `tenant ${tenant} has ${count} tasks, its limit is ${maxTasksPerTenant}`;
    return errorBody('RESOURCE_EXHAUSTED', message, { details });
  }
  return storeShareError(state, tenant, bodyBytes);
}

/** How many tasks the tenant may have, and how many more just now. */
export function taskRoom(
  state: KernelState,
  tenant: TenantId,
): { readonly limit: number; readonly remaining: number } {
  const { maxTasks, maxTasksPerTenant: limit } = state.config;
  const left = Math.min(limit - state.tasks.sizeOf(tenant), maxTasks - state.tasks.size);
  return { limit, remaining: Math.max(0, left) };
}

/** While the stream of tasks is nearly full, a tenant that has its share of it adds no more. */
function storeShareError(
  state: KernelState,
  tenant: TenantId,
  bodyBytes: number,
): ErrorBody | undefined {
  const { taskStoreBytes } = state.config;
  const { nearlyFullShare, tenantStoreShare, retryAfterMs } = CORE_LIMITS;
  const more = storedBytes(bodyBytes);
  if (state.tasks.bytes + more <= taskStoreBytes * nearlyFullShare) return undefined;
  const bytes = state.tasks.bytesOf(tenant) + more;
  const mostBytes = Math.floor(taskStoreBytes * tenantStoreShare);
  if (bytes <= mostBytes) return undefined;
  const message =
    `tenant ${tenant} has tasks of ${bytes} bytes in a queue of ${taskStoreBytes}; ` +
    `while it is nearly full, one with more than ${mostBytes} adds no more`;
  return errorBody('RESOURCE_EXHAUSTED', message, { details: { retryAfterMs } });
}

/** Cancelled before it came in, itself or its family, or too late already. */
function endedBefore(state: KernelState, task: Task): ErrorBody | undefined {
  const { tenant, id, parent, root } = task.spec;
  const isCancelled = [id, parent, root].some((name) => {
    const atMs = name === undefined ? undefined : state.cancelled.atMs(tenant, name);
    // An id is free again once its result is no longer kept.
    return atMs !== undefined && state.now.nowMs - atMs < state.config.resultMaxAgeMs;
  });
  if (isCancelled) return stopError('CANCELLED', task);
  const isLate = state.now.wallMs >= task.deadlineWallMs;
  return isLate ? stopError('DEADLINE_EXCEEDED', task) : undefined;
}

/** Where a task stands, and what it waits for. Reads only. */
import type { AttemptCost, Block, TaskId, TaskStatus, TaskWait, TenantId } from '@llmos/base';
import { NO_COST, assertNever, roundedCost } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import { CORE_LIMITS } from '../limits';
import type { TargetBlock } from '../processes/target-blocks';
import type { Task } from './task';
import { isShort } from '../scheduling/provisioning';
import { estimateTurnMs } from '../scheduling/turn-estimate';

export function statusOf(state: KernelState, tenant: TenantId, id: TaskId): TaskStatus {
  const task = state.tasks.find(tenant, id);
  if (task === undefined) return { state: 'unknown' };
  const common = { class: task.spec.class, function: task.spec.function };
  // Attempts begun: the number counts the next one while none runs.
  const begun = task.attempt - 1;
  const { kind } = task.state;
  const waiting = (waitsFor: TaskWait): TaskStatus => {
    return { ...common, state: 'queued', attempts: begun, waitsFor };
  };
  switch (kind) {
    case 'looking-up':
      return waiting('look-up');
    case 'unrouted':
      return waiting('models');
    case 'blocked':
      return waiting('key');
    case 'held':
      return waiting('nodes');
    case 'queued':
      return { ...common, state: 'queued', attempts: begun, ...standing(state, task) };
    case 'running':
      return {
        ...common,
        ...costOf(task),
        ...{ state: 'running', attempts: task.attempt, pid: task.state.place.pid },
      };
    case 'backing-off':
      return { ...common, state: 'retrying', attempts: begun, waitsFor: 'retry' };
    case 'dead-lettering':
    case 'committing':
    case 'settling':
    case 'between-attempts':
    case 'gone':
      return { ...common, state: 'finishing', attempts: task.attempt };
    default:
      return assertNever(kind);
  }
}

/** Of all its attempts under this leader, where there is one. */
function costOf({ cost }: Task): { readonly cost?: AttemptCost } {
  return cost === NO_COST ? {} : { cost: roundedCost(cost) };
}

export function blockOf(block: TargetBlock, nowMs: number): Block {
  const { because, message, untilMs } = block;
  if (untilMs === undefined) return { because, message };
  return { because, message, retryInMs: Math.max(0, Math.round(untilMs - nowMs)) };
}

type Standing = Pick<
  Exclude<TaskStatus, { state: 'unknown' }>,
  'waitsFor' | 'blocked' | 'position' | 'ahead' | 'estimateMs'
>;

/** In line: for a process, or its turn in one. */
function standing(state: KernelState, task: Task): Standing {
  const { target } = task;
  if (target === undefined) return { waitsFor: 'process' };
  const isReady = state.processes
    .ofTarget(target)
    .some((process) => process.state.kind === 'ready' && process.isReconciled);
  const block = isShort(state, target) ? state.blocks.get(target) : undefined;
  const before = state.queue.ahead(task, CORE_LIMITS.maxCountedAhead);
  const position = before === undefined ? undefined : before.own + before.others + 1;
  const estimateMs =
    isReady && position !== undefined ? estimateTurnMs(state, task, position) : undefined;
  return {
    waitsFor: isReady ? 'turn' : 'process',
    ...(block === undefined || isReady ? {} : { blocked: blockOf(block, state.now.nowMs) }),
    ...(before === undefined || position === undefined ? {} : { position, ahead: before }),
    ...(estimateMs === undefined ? {} : { estimateMs }),
  };
}

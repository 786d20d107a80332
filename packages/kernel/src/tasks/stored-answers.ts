/** The stores' answers to the kernel's own writes: results and dead letters. */
import type { TaskId, TenantId } from '@llmos/base';
import { isOther } from '@llmos/base';
import type { KernelEvent } from '../kernel-event';
import type { KernelState } from '../kernel-state';
import { endBehindOther } from './admission';
import { endTask, finishTask } from './task-end';
import { identityOf } from './task-spec';

type ResultCommitted = Extract<KernelEvent, { kind: 'result-committed' }>;

/**
 * A result is stored, the kernel's or one that was there already: the task is over either way. Where
 * it is that of another task of the id, this one ends under its number.
 */
export function applyResultCommitted(state: KernelState, event: ResultCommitted): void {
  const task = state.tasks.find(event.tenant, event.task);
  if (task === undefined || task.state.kind === 'settling') return;
  const { state: current } = task;
  const result = current.kind === 'committing' ? current.result : undefined;
  const { other } = event;
  const isOthers = other !== undefined && isOther(identityOf(task.spec), other);
  if (isOthers && result !== undefined) endBehindOther(state, task, other);
  else if (result === undefined || result.ok) finishTask(state, task, 'known');
  else finishTask(state, task, { ok: false, code: result.error.code });
}

/** After its dead letter, a task gets its error result. */
export function applyDeadLetterStored(state: KernelState, tenant: TenantId, id: TaskId): void {
  const task = state.tasks.find(tenant, id);
  if (task?.state.kind === 'dead-lettering') endTask(state, task, task.state.error);
}

/** The stores' answers to the kernel's own writes: results and dead letters. */
import type { TaskId, TenantId } from '@llmos/base';
import type { KernelState } from '../kernel-state';
import { endTask, finishTask } from './task-end';

/** A result is stored, the kernel's or one that was there already: the task is over either way. */
export function applyResultCommitted(state: KernelState, tenant: TenantId, id: TaskId): void {
  const task = state.tasks.find(tenant, id);
  if (task === undefined || task.state.kind === 'settling') return;
  const { state: current } = task;
  const result = current.kind === 'committing' ? current.result : undefined;
  if (result === undefined || result.ok) finishTask(state, task, 'known');
  else finishTask(state, task, { ok: false, code: result.error.code });
}

/** After its dead letter, a task gets its error result. */
export function applyDeadLetterStored(state: KernelState, tenant: TenantId, id: TaskId): void {
  const task = state.tasks.find(tenant, id);
  if (task?.state.kind === 'dead-lettering') endTask(state, task, task.state.error);
}

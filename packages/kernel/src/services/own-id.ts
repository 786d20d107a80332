/**
 * Whether the id of a `submit` or `call` is that of another task: one with another function or
 * body. What this kernel knows is asked before anything is stored; what only the stores know comes
 * with the result. The kernel that takes the task in judges for all.
 */
import type { ErrorBody, TaskId, TaskIdentity, TenantTask } from '@llmos/base';
import { isOther, otherTaskError } from '@llmos/base';
import type { StoredResult } from '../ports/result-store';
import type { StoredIds } from './stored-ids';
import type { TaskRequest } from './task-request';

export interface OwnIdContext {
  readonly storedIds: StoredIds;
  /** Of a task that this kernel leads and holds; a follower can't know. */
  readonly heldIdentity: (of: TenantTask) => TaskIdentity | undefined;
}

/** `isNew`: its client made it for this request, and nothing is known here that speaks against it. */
export type IdUse =
  | { readonly kind: 'misused'; readonly error: ErrorBody }
  | { readonly kind: 'usable'; readonly isNew: boolean };

export function checkIdUse(context: OwnIdContext, request: TaskRequest): IdUse {
  const { id, isIdNew } = request.terms;
  if (id === undefined) return { kind: 'usable', isNew: false };
  const of = { tenant: request.of.tenant, task: id };
  const first = context.heldIdentity(of) ?? context.storedIds.identityOf(of);
  const error = judge(id, first, request.identity);
  if (error !== undefined) return { kind: 'misused', error };
  return { kind: 'usable', isNew: isIdNew && first === undefined };
}

/** The error, where the result of the id is that of another task. */
export function checkIdResult(
  request: Pick<TaskRequest, 'terms'> & {
    readonly identity?: TaskRequest['identity'] | undefined;
  },
  stored: StoredResult,
): ErrorBody | undefined {
  const { id } = request.terms;
  return id === undefined ? undefined : judge(id, stored.identity, request.identity);
}

function judge(
  id: TaskId,
  first: TaskIdentity | undefined,
  own: TaskIdentity | undefined,
): ErrorBody | undefined {
  if (first === undefined || own === undefined || !isOther(first, own)) return undefined;
  return otherTaskError(id, first, own);
}

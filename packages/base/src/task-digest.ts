/**
 * What an own id stands for: the function and the body of its first task. A second task of the id
 * that asks for something else must not be answered with the first one's result.
 *
 * The header `Llmos-Digest` of a result holds both as `<function>.<digest of the body>`.
 */
import type { ErrorBody } from './errors';
import { errorBody } from './errors';
import type { FunctionName, TaskId } from './ids';

export interface TaskIdentity {
  readonly function: string;
  /** 11 characters, see `digestBody`. */
  readonly digest: string;
}

export function formatIdentity(of: TaskIdentity): string {
  return `${of.function}.${of.digest}`;
}

/** Undefined for what is none: results of before there were digests have no header. */
export function parseIdentity(text: string | undefined): TaskIdentity | undefined {
  const match = /^([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{11})$/.exec(text ?? '');
  if (match === null) return undefined;
  return { function: match[1] as FunctionName, digest: match[2] ?? '' };
}

/** Where one of them is not known, there is nothing to tell them apart by. */
export function isOther(a: TaskIdentity | undefined, b: TaskIdentity | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.function !== b.function || a.digest !== b.digest;
}

export function otherTaskError(id: TaskId, first: TaskIdentity, second: TaskIdentity): ErrorBody {
  const message =
    `id ${id} is that of another task: it has function ${first.function} and body ` +
    `${first.digest}, this one function ${second.function} and body ${second.digest}`;
  return errorBody('ALREADY_EXISTS', message, { details: { task: id } });
}

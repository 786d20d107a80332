/** What becomes of a failed attempt, and the errors that the kernel itself answers with. */
import type { BackoffPolicy, ErrorBody } from '@llmos/base';
import { assertNever, backoffMs, cutText, errorBody } from '@llmos/base';
import { CORE_LIMITS } from '../limits';
import { countedAttempts, type StopReason, type Task } from './task';
import type { AttemptFailure } from './task-spec';

export type FailureVerdict =
  | { readonly kind: 'retry'; readonly afterMs: number }
  /** It failed too often with errors that another attempt might have mended. */
  | { readonly kind: 'exhausted' }
  | { readonly kind: 'final' };

/** Judges the attempt that just failed; the task still carries its number. */
export function judgeFailure(task: Task, error: ErrorBody, backoff: BackoffPolicy): FailureVerdict {
  if (!error.retryable) return { kind: 'final' };
  const failures = countedAttempts(task);
  if (failures >= task.spec.maxAttempts) return { kind: 'exhausted' };
  return { kind: 'retry', afterMs: backoffMs(backoff, failures) };
}

/** Why a task could not run. */
export interface WaitedFor {
  readonly because: string;
  readonly message: string;
}

/** @param waited of one whose time came while it had no process. */
export function stopError(reason: StopReason, task: Task, waited?: WaitedFor): ErrorBody {
  const { id } = task.spec;
  switch (reason) {
    case 'CANCELLED':
      return errorBody('CANCELLED', `task ${id} was cancelled`);
    case 'CALLER_GONE':
      return errorBody('CANCELLED', `task ${id} was cancelled: its caller is gone`);
    case 'DEADLINE_EXCEEDED':
      return deadlineError(task, waited);
    default:
      return assertNever(reason);
  }
}

function deadlineError(task: Task, waited: WaitedFor | undefined): ErrorBody {
  const { deadlineWallMs } = task;
  const message = `task ${task.spec.id} passed its deadline`;
  if (waited === undefined) {
    return errorBody('DEADLINE_EXCEEDED', message, { details: { deadlineWallMs } });
  }
  return errorBody('DEADLINE_EXCEEDED', `${message} without a process: ${waited.message}`, {
    details: { deadlineWallMs, because: waited.because },
  });
}

/** The task's failures and this one, which ended its current attempt; the oldest make room. */
export function withFailure(task: Task, error: ErrorBody): readonly AttemptFailure[] {
  const message = shorten(error.message, CORE_LIMITS.maxFailureChars);
  const failure = { attempt: task.attempt, code: error.code, message };
  return [...task.failures, failure].slice(-CORE_LIMITS.maxFailures);
}

/** Messages from outside are cut: they end in results, dead letters and events. */
export function shorten(message: string, max: number = CORE_LIMITS.maxMessageChars): string {
  return message.length > max ? `${cutText(message, max)}…` : message;
}

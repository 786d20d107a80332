/** A task that was submitted, here or by someone else: anyone who knows its id can hold one. */
import type { ErrorBody, TaskId, TaskStatus } from '@llmos/base';
import { quoteShort } from '@llmos/base';
import { openAttachedStream } from './attached-stream';
import type { WaitOptions } from './call-options';
import { checkWait, invalid } from './call-options';
import type { ClientContext } from './client-context';
import { assertOpen } from './client-context';
import { SDK_LIMITS } from './limits';
import type { ReplyStream } from './reply-iterator';
import { openReplyStream } from './reply-stream';
import { lookUpResult, outputOf, toResult, waitForResult } from './result-wait';
import { systemCall } from './system-requests';
import { cancelTask } from './task-cancel';

/** Where a task stands: with the kernel, or finished with a committed result. */
export type TaskHandleStatus =
  | TaskStatus
  | { readonly state: 'finished'; readonly ok: true }
  | { readonly state: 'finished'; readonly ok: false; readonly error: ErrorBody };

export interface AttachOptions extends WaitOptions {
  /** Begins with the chunk that holds the output token of this index; default 0, the start. */
  readonly fromIndex?: number;
  /**
   * `stream` (the default) reads what JetStream holds; `kernel` has the leading kernel send it, for
   * clients that may use only their own subjects, not JetStream's API.
   */
  readonly via?: 'stream' | 'kernel';
}

/**
 * @example
 * const task = await os.submit('classify', input, { class: 'batch' });
 * const { labels } = await task.result();
 */
export interface TaskHandle<Output = unknown> {
  readonly id: TaskId;
  /** True where the id was known already: this handle is of the earlier task. */
  readonly isDuplicate: boolean;
  /**
   * The output of the task. Waits at most `timeoutMs` (default 12 h, the longest life of a task),
   * through reconnects. Throws the task's own error, DEADLINE_EXCEEDED after `timeoutMs`, or
   * CANCELLED where the signal aborts (the task goes on).
   */
  result(options?: WaitOptions): Promise<Output>;
  /** `unknown` where neither the kernel nor the stored results know the id. */
  status(options?: WaitOptions): Promise<TaskHandleStatus>;
  /**
   * Cancels the task and waits until it has ended, at most `timeoutMs` (default 30 s).
   * @returns true where it ended as cancelled, false where it had ended otherwise before.
   */
  cancel(options?: WaitOptions): Promise<boolean>;
  /**
   * The chunks of a generation that was submitted with streaming, from its start or from a token,
   * running or ended. Leaving the loop does not cancel the task.
   */
  stream(options?: AttachOptions): ReplyStream;
}

export function createTaskHandle<Output>(
  context: ClientContext,
  of: { readonly id: TaskId; readonly isDuplicate: boolean },
  /** Of its message, where this client has stored it. */
  sequence?: number,
): TaskHandle<Output> {
  return {
    ...of,
    result: (options = {}) =>
      resultOf(context, { id: of.id, sequence }, options) as Promise<Output>,
    status: (options = {}) => statusOf(context, of.id, options),
    cancel: (options = {}) => cancelTask(context, of.id, options),
    stream: (options = {}) => {
      assertOpen(context);
      const { timeoutMs, signal } = checkWait(options, SDK_LIMITS.streamTimeoutMs);
      const untilMs = context.clock.nowMs() + timeoutMs;
      const { fromIndex = 0, via = 'stream' } = options;
      if (!Number.isSafeInteger(fromIndex) || fromIndex < 0) {
        throw invalid(`fromIndex is ${quoteShort(fromIndex)}: it must be an integer from 0`);
      }
      if (via !== 'stream' && via !== 'kernel') {
        throw invalid(`via is ${quoteShort(via)}: it must be stream or kernel`);
      }
      const stream = { task: of.id, untilMs, signal, fromIndex };
      if (via === 'kernel') return openAttachedStream(context, stream);
      return openReplyStream(context, { ...stream, source: 'attached' });
    },
  };
}

async function resultOf(
  context: ClientContext,
  task: { readonly id: TaskId; readonly sequence: number | undefined },
  options: WaitOptions,
): Promise<unknown> {
  assertOpen(context);
  const { timeoutMs, signal } = checkWait(options, SDK_LIMITS.resultWaitMs);
  const untilMs = context.clock.nowMs() + timeoutMs;
  const { id, sequence } = task;
  const of = { tenant: context.tenant, task: id };
  const wait = { of, untilMs, signal, ...(sequence === undefined ? {} : { sequence }) };
  return outputOf(await waitForResult(context, wait));
}

async function statusOf(
  context: ClientContext,
  task: TaskId,
  options: WaitOptions,
): Promise<TaskHandleStatus> {
  assertOpen(context);
  const { signal } = checkWait(options, context.timeoutMs);
  const before = await finishedStatus(context, task, signal);
  if (before !== undefined) return before;
  const status = await systemCall(context, 'status', { task }, options);
  if (status.state !== 'unknown') return status;
  // It may have ended between the two looks.
  return (await finishedStatus(context, task, signal)) ?? status;
}

async function finishedStatus(
  context: ClientContext,
  task: TaskId,
  signal: AbortSignal | undefined,
): Promise<TaskHandleStatus | undefined> {
  const outcome = await lookUpResult(context, { tenant: context.tenant, task }, signal);
  if (outcome.kind !== 'found') return undefined;
  const result = toResult(outcome.message);
  if (result.ok) return { state: 'finished', ok: true };
  return { state: 'finished', ok: false, error: result.error };
}

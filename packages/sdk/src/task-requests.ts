/** Makes tasks: `call` waits for the answer, `submit` for the receipt. Both repeat by task id. */
import type { FunctionName, Result, TaskId } from '@llmos/base';
import {
  HEADERS,
  LlmosError,
  WIRE_LIMITS,
  isRecord,
  isToken,
  quoteShort,
  subjects,
} from '@llmos/base';
import type { CheckedOptions, TaskOptions } from './call-options';
import { checkTaskOptions, invalid } from './call-options';
import { callerHeader } from './caller';
import type { ClientContext } from './client-context';
import { assertOpen } from './client-context';
import type { KernelRequest } from './kernel-request';
import { requestKernel } from './kernel-request';
import { lookUpResult, outputOf, refusedSequence, toResult } from './result-wait';
import { encodeCallInput, encodeInput } from './task-body';
import { publishCancel } from './task-cancel';

/** A task, checked and encoded, that may be sent any number of times. */
export interface PreparedTask {
  readonly function: FunctionName;
  readonly id: TaskId;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly options: CheckedOptions;
}

export interface Receipt {
  readonly task: TaskId;
  /** In the stream of tasks. */
  readonly sequence: number;
  /** A task of this id was there already. */
  readonly duplicate: boolean;
}

/** A task whose result anyone may read. Throws INVALID_ARGUMENT; sends nothing. */
export function prepareTask(
  context: ClientContext,
  name: string,
  input: unknown,
  options: TaskOptions,
  encode = encodeInput,
): PreparedTask {
  assertOpen(context);
  if (!isToken(name)) {
    throw invalid(`function is ${quoteShort(name)}: it must match [A-Za-z0-9_-]{1,64}`);
  }
  const checked = checkTaskOptions(options, context.newTaskId);
  const { body, headers: described } = encode(name, input, context.link.maxPayloadBytes());
  const headers = Object.assign({}, described, checked.headers);
  return { function: name as FunctionName, id: checked.id, body, headers, options: checked };
}

/** A task whose result the caller alone waits for. Throws INVALID_ARGUMENT; sends nothing. */
export function prepareCall(
  context: ClientContext,
  name: string,
  input: unknown,
  options: TaskOptions,
): PreparedTask {
  return prepareTask(context, name, input, options, encodeCallInput);
}

/** The output of the task, or its error thrown. Aborting cancels the task. */
export async function callTask(context: ClientContext, task: PreparedTask): Promise<unknown> {
  const { options } = task;
  const timeoutMs = waitMsOf(context, options, options.timeoutMs ?? context.timeoutMs);
  const of = { tenant: context.tenant, task: task.id };
  const result = await requestKernelOrCancel(context, task, {
    what: `call of ${task.function} (task ${task.id})`,
    subject: subjects.call({ tenant: context.tenant, function: task.function }),
    body: task.body,
    headers: (remainingMs, isFirst) => {
      // The task must not go on when nobody waits for it any more.
      const lifetime = { [HEADERS.timeoutMs]: String(remainingMs) };
      const own = Object.assign({}, idHeader(task, isFirst), keepHeader(task, timeoutMs));
      return Object.assign(own, task.headers, callerHeader(context, options, false), lifetime);
    },
    untilMs: context.clock.nowMs() + timeoutMs,
    isIdempotent: true,
    signal: options.signal,
    lookUp: async () => {
      const outcome = await lookUpResult(context, of, options.signal);
      // A refusal is an answer to an earlier try, not the result.
      const isResult = outcome.kind === 'found' && refusedSequence(outcome.message) === undefined;
      return isResult ? toResult(outcome.message) : undefined;
    },
  });
  return outputOf(result);
}

/** An id that was made here and is sent for the first time has no result that must be looked for. */
function idHeader(task: PreparedTask, isFirst: boolean): Record<string, string> {
  return isFirst && !task.options.hasOwnId ? { [HEADERS.isIdNew]: 'true' } : {};
}

/**
 * Nobody else knows the id of a call that did not choose one: its result is wanted for as long as
 * the call may be repeated, which must not be longer than short-lived results are kept.
 */
function keepHeader(task: PreparedTask, timeoutMs: number): Record<string, string> {
  if (task.options.hasOwnId || timeoutMs > WIRE_LIMITS.answerKeepMs) return {};
  return { [HEADERS.keepMs]: String(WIRE_LIMITS.answerKeepMs) };
}

/** @param timeoutMs how long the task may take; undefined: as long as any task. */
export async function submitTask(
  context: ClientContext,
  task: PreparedTask,
  more: {
    readonly headers?: Readonly<Record<string, string>>;
    readonly timeoutMs?: number;
    /** Where the options don't say; default true. */
    readonly isDetached?: boolean;
  } = {},
): Promise<Receipt> {
  const { options } = task;
  const timeoutMs = lifeMsOf(context, options, options.timeoutMs ?? more.timeoutMs);
  const lifetime = timeoutMs === undefined ? {} : { [HEADERS.timeoutMs]: String(timeoutMs) };
  const binding = callerHeader(context, options, more.isDetached ?? true);
  const headers = { ...task.headers, ...lifetime, ...binding, ...more.headers };
  const waitMs = waitMsOf(context, options, Math.min(context.timeoutMs, timeoutMs ?? Infinity));
  const result = await requestKernelOrCancel(context, task, {
    what: `submit of ${task.function} (task ${task.id})`,
    subject: subjects.submit({ tenant: context.tenant, function: task.function }),
    body: task.body,
    headers: (_remainingMs, isFirst) => ({ ...idHeader(task, isFirst), ...headers }),
    untilMs: context.clock.nowMs() + waitMs,
    isIdempotent: true,
    signal: options.signal,
  });
  return readReceipt(outputOf(result), task.id);
}

async function requestKernelOrCancel(
  context: ClientContext,
  task: PreparedTask,
  request: KernelRequest,
): Promise<Result> {
  try {
    return await requestKernel(context, request);
  } catch (error) {
    // Only an abort by the caller: a client that closes leaves its tasks to those who reattach.
    if (request.signal?.aborted === true) publishCancel(context, task.id);
    throw error;
  }
}

/** Undefined: as long as any task. */
function lifeMsOf(
  context: ClientContext,
  options: CheckedOptions,
  timeoutMs: number | undefined,
): number | undefined {
  if (options.deadlineWallMs === undefined) return timeoutMs;
  return Math.ceil(waitMsOf(context, options, timeoutMs ?? WIRE_LIMITS.maxTimeoutMs));
}

function waitMsOf(context: ClientContext, options: CheckedOptions, timeoutMs: number): number {
  if (options.deadlineWallMs === undefined) return timeoutMs;
  const leftMs = options.deadlineWallMs - context.clock.wallMs();
  if (leftMs > 0) return Math.min(timeoutMs, leftMs);
  const deadline = new Date(options.deadlineWallMs).toISOString();
  throw new LlmosError('DEADLINE_EXCEEDED', `the deadline ${deadline} is over already`);
}

function readReceipt(output: unknown, id: TaskId): Receipt {
  const record = isRecord(output) ? output : {};
  const { task, sequence, duplicate } = record;
  if (task !== id || typeof sequence !== 'number') {
    const message = `the receipt of task ${id} can't be read: ${quoteShort(output)}`;
    throw new LlmosError('INTERNAL', message);
  }
  return { task: id, sequence, duplicate: duplicate === true };
}

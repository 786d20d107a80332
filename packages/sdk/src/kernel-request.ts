/**
 * Asks a kernel and repeats what may have been lost, until there is an answer or the time is over.
 *
 * A request without an answer may have been carried out all the same; it is sent again only where
 * it is idempotent: tasks by their id, system calls by their nature.
 */
import type { Result } from '@llmos/base';
import { HEADERS, LlmosError, backoffMs } from '@llmos/base';
import type { ClientContext } from './client-context';
import { abortedError, assertNotAborted, closedError, withJitter } from './client-context';
import { PATIENCE, SDK_LIMITS, UNANSWERED_BACKOFF } from './limits';
import type { IncomingMessage, MessageHeaders, RequestOutcome } from './ports/message-link';
import { toResult } from './result-wait';

export interface KernelRequest {
  /** For messages: `call of embed (task 1f0c…)`. */
  readonly what: string;
  readonly subject: string;
  readonly body: Uint8Array;
  /**
   * @param remainingMs until the caller stops waiting.
   * @param isFirst false where the request was sent before, whoever may have heard it.
   */
  readonly headers: (remainingMs: number, isFirst: boolean) => MessageHeaders;
  /** When the caller stops waiting, by the context's clock. */
  readonly untilMs: number;
  readonly isIdempotent: boolean;
  readonly signal: AbortSignal | undefined;
  /** Looks for the answer elsewhere, where one may be lost. */
  readonly lookUp?: () => Promise<Result | undefined>;
}

type Attempt =
  | { readonly kind: 'result'; readonly result: Result }
  | { readonly kind: 'repeat'; readonly problem: LlmosError; readonly waitMs: number };

interface Counts {
  /** From the first attempt until the caller stops waiting. */
  readonly limitMs: number;
  attempts: number;
  /** Attempts that no kernel heard. */
  unheard: number;
  busy: number;
}

/**
 * Answers with the kernel's result, which may be an error. Throws an LlmosError where there is
 * none: UNAVAILABLE (no kernel), DEADLINE_EXCEEDED (no answer in time), CANCELLED (signal, close),
 * PERMISSION_DENIED.
 */
export async function requestKernel(
  context: ClientContext,
  request: KernelRequest,
): Promise<Result> {
  const limitMs = Math.ceil(request.untilMs - context.clock.nowMs());
  const counts: Counts = { limitMs, attempts: 0, unheard: 0, busy: 0 };
  const doorbell = context.createDoorbell();
  let problem: LlmosError | undefined;
  for (;;) {
    assertNotAborted(context, request.what, request.signal);
    const remainingMs = request.untilMs - context.clock.nowMs();
    // An attempt too short for an answer would hide why the ones before it failed.
    if (problem !== undefined && remainingMs < SDK_LIMITS.shortestAttemptMs) throw problem;
    counts.attempts += 1;
    const attempt = await tryOnce(context, request, counts, Math.max(1, remainingMs));
    if (attempt.kind === 'result') return attempt.result;
    problem = attempt.problem;
    if (attempt.waitMs <= 0) continue;
    const leftMs = request.untilMs - context.clock.nowMs();
    await doorbell.wait(Math.min(attempt.waitMs, leftMs), request.signal, context.link.closed);
  }
}

async function tryOnce(
  context: ClientContext,
  request: KernelRequest,
  counts: Counts,
  remainingMs: number,
): Promise<Attempt> {
  const { subject, body, signal } = request;
  const patienceMs = backoffMs(PATIENCE, counts.attempts - counts.unheard);
  const waitMs = Math.min(patienceMs, remainingMs);
  const outcome = await context.link.request(
    { subject, body, headers: request.headers(Math.ceil(remainingMs), counts.attempts === 1) },
    { waitMs, signal },
  );
  switch (outcome.kind) {
    case 'answered':
      return readAnswer(context, request, resultOf(outcome.message), counts);
    case 'no-responders': {
      counts.unheard += 1;
      const pauseMs = withJitter(context, backoffMs(UNANSWERED_BACKOFF, counts.unheard));
      return { kind: 'repeat', problem: unheard(request), waitMs: pauseMs };
    }
    case 'silent': {
      const limitMs = request.isIdempotent ? counts.limitMs : Math.ceil(waitMs);
      return repeatLost(request, `had no answer in ${limitMs} ms`);
    }
    case 'interrupted':
      return repeatLost(request, 'had no answer when the connection broke');
    case 'unreadable': {
      const attempt = await repeatLost(request, 'had an answer that can’t be read');
      const waitMs = withJitter(context, backoffMs(UNANSWERED_BACKOFF, counts.attempts));
      return attempt.kind === 'repeat' ? { ...attempt, waitMs } : attempt;
    }
    default:
      throw refusal(request, outcome);
  }
}

function resultOf(message: IncomingMessage): Result {
  return toResult({ contentType: message.header(HEADERS.contentType), body: message.body });
}

/** An error that says "not now" is repeated, unless it is the stored result of the task. */
async function readAnswer(
  context: ClientContext,
  request: KernelRequest,
  result: Result,
  counts: Counts,
): Promise<Attempt> {
  if (result.ok || !result.error.retryable || !request.isIdempotent) {
    return { kind: 'result', result };
  }
  const { code, details } = result.error;
  const retryAfterMs = Number(details?.['retryAfterMs'] ?? Number.NaN);
  const isBusy = code === 'RESOURCE_EXHAUSTED' && Number.isFinite(retryAfterMs);
  if (code !== 'UNAVAILABLE' && !isBusy) return { kind: 'result', result };
  const stored = await request.lookUp?.();
  if (stored !== undefined) return { kind: 'result', result: stored };
  counts.busy += 1;
  if (isBusy && counts.busy > SDK_LIMITS.maxBusyRetries) return { kind: 'result', result };
  const hintMs = isBusy ? Math.max(0, retryAfterMs) : 0;
  const waitMs = hintMs + withJitter(context, backoffMs(UNANSWERED_BACKOFF, counts.busy));
  return { kind: 'repeat', problem: LlmosError.fromBody(result.error), waitMs };
}

async function repeatLost(request: KernelRequest, what: string): Promise<Attempt> {
  const stored = await request.lookUp?.();
  if (stored !== undefined) return { kind: 'result', result: stored };
  const problem = new LlmosError('DEADLINE_EXCEEDED', `${request.what} ${what}`);
  if (!request.isIdempotent) throw problem;
  return { kind: 'repeat', problem, waitMs: 0 };
}

function refusal(
  request: KernelRequest,
  outcome: Exclude<
    RequestOutcome,
    { kind: 'answered' | 'no-responders' | 'silent' | 'interrupted' | 'unreadable' }
  >,
): LlmosError {
  switch (outcome.kind) {
    case 'aborted':
      return abortedError(request.what, request.signal?.reason);
    case 'closed':
      return closedError(request.what);
    case 'denied':
      return new LlmosError('PERMISSION_DENIED', `${request.what}: ${outcome.reason}`);
    case 'full': {
      const message = `${request.what}: ${SDK_LIMITS.maxPendingRequests} requests are pending already`;
      const details = { retryAfterMs: UNANSWERED_BACKOFF.maxMs };
      return new LlmosError('RESOURCE_EXHAUSTED', message, { details });
    }
  }
}

function unheard(request: KernelRequest): LlmosError {
  const message = `${request.what}: no kernel listens on ${request.subject}`;
  return new LlmosError('UNAVAILABLE', message);
}

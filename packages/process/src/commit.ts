/**
 * Commits the one result of a task: stored only where none is there yet, retried while the attempt
 * lives. Flow: put → stored | refused (read whose it is) | too large (an error takes its place) |
 * unavailable (wait, again). A refusal by a limit is no result: it is replaced. A put that timed
 * out may have been stored; the next one is then refused and the stored result is what counts.
 */
import type { AttemptOutcome, BodyFormat } from '@llmos/base';
import { backoffMs, errorBody } from '@llmos/base';
import type { HandlerAnswer, ResultOwner } from './attempt';
import { PROCESS_LIMITS } from './limits';
import type { Pause } from './pause';
import type { PutOutcome, ResultOutcome, TaskStore } from './ports/task-store';

export interface CommitParts {
  readonly store: TaskStore;
  readonly pause: Pause;
  readonly signal: AbortSignal;
  /** Told of each try that failed, for logs. */
  readonly onUnavailable?: (message: string) => void;
}

export interface CommitRequest {
  readonly of: ResultOwner;
  readonly format: BodyFormat;
  readonly answer: Pick<Extract<HandlerAnswer, { kind: 'answered' }>, 'result' | 'error'>;
}

export async function commitResult(
  parts: CommitParts,
  request: CommitRequest,
): Promise<AttemptOutcome> {
  const { of, format } = request;
  let { result } = request.answer;
  let after = 0;
  let errorCode: string | undefined = request.answer.error?.code;
  for (let failures = 0; !parts.signal.aborted;) {
    const put = await parts.store.putResult(of, result, { format, after });
    if (put.kind === 'stored') return committed(errorCode);
    if (put.kind === 'too-large') {
      const error = tooLarge(result.length, put);
      result = parts.store.encodeError(error, format);
      errorCode = error.code;
      continue;
    }
    if (put.kind === 'refused') {
      const found = await parts.store.readResult(of);
      const refusal = found.kind === 'found' ? found.refusalSequence : undefined;
      if (found.kind === 'found' && refusal === undefined) return committedBy(found);
      after = refusal ?? 0;
      // None: the result that was in the way has just expired, so this one may be stored.
      if (found.kind === 'unavailable') parts.onUnavailable?.(found.message);
    } else {
      parts.onUnavailable?.(put.message);
    }
    failures += 1;
    await parts.pause(backoffMs(PROCESS_LIMITS.storeRetry, failures), parts.signal);
  }
  return { kind: 'stopped', reason: String(parts.signal.reason) };
}

function committed(errorCode: string | undefined): AttemptOutcome {
  if (errorCode === undefined) return { kind: 'committed', ok: true };
  return { kind: 'committed', ok: false, errorCode };
}

function committedBy(found: Extract<ResultOutcome, { kind: 'found' }>): AttemptOutcome {
  return { kind: 'committed', ...found.result };
}

function tooLarge(bytes: number, put: Extract<PutOutcome, { kind: 'too-large' }>) {
  return errorBody(
    'RESOURCE_EXHAUSTED',
    `the result has ${bytes} bytes, the limit is ${put.limitBytes}`,
    { retryable: false, details: { bytes, limitBytes: put.limitBytes } },
  );
}

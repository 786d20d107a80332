/**
 * What becomes of the requests of an actor thread that reached the bound of its memory. Pure.
 *
 * The only one that it worked on is to blame and ends. Of several, nobody can tell which: each runs
 * alone the next time, and that attempt does not count. What it had not begun is given back.
 */
import { errorBody } from '@llmos/base';
import type { HandlerAnswer } from '@llmos/process';

/** @param count of the requests that the thread worked on. */
export function answerOfLost(count: number, heapBytes: number): HandlerAnswer {
  if (count === 1) {
    const message = `to answer it needs more than the ${heapBytes} bytes of memory of a thread`;
    const error = errorBody('RESOURCE_EXHAUSTED', message, { retryable: false });
    return { kind: 'failed', error };
  }
  const message =
    `one of ${count} requests that ran together needs more than the ${heapBytes} bytes ` +
    'of memory of a thread: they run again, each alone';
  return { kind: 'failed', error: errorBody('RESOURCE_EXHAUSTED', message), isSuspect: true };
}

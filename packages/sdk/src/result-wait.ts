/**
 * Waits for the committed result of a task.
 *
 * A message on the result subject is only a wake-up: a commit that lost against another is seen
 * there too, and nobody may have been listening when the message came. What is stored is the truth.
 */
import type { BackoffPolicy, Result, TenantTask } from '@llmos/base';
import {
  LlmosError,
  PROTOBUF_CONTENT_TYPE,
  backoffMs,
  parseResult,
  readResultMarks,
  resultPlaces,
} from '@llmos/base';
import type { ClientContext } from './client-context';
import { assertNotAborted, withJitter } from './client-context';
import { unpackResult } from './functions/packed-embed';
import { ANNOUNCED_LOOK_BACKOFF, QUIET_LOOK_BACKOFF } from './limits';
import type { ReadOutcome, StoredMessage } from './ports/stored-messages';

export interface ResultWait {
  readonly of: TenantTask;
  /** By the context's clock. */
  readonly untilMs: number;
  readonly signal: AbortSignal | undefined;
  /** Of the task in LLMOS_TASKS, where it is known: refusals of earlier ones of its id are not its. */
  readonly sequence?: number;
}

/** Throws DEADLINE_EXCEEDED after `untilMs`, CANCELLED on abort or close. */
export async function waitForResult(context: ClientContext, wait: ResultWait): Promise<Result> {
  const { link } = context;
  const what = `waiting for the result of task ${wait.of.task}`;
  const limitMs = Math.ceil(wait.untilMs - context.clock.nowMs());
  const doorbell = context.createDoorbell();
  let policy: BackoffPolicy = QUIET_LOOK_BACKOFF;
  let looks = 0;
  const announce = (): void => {
    policy = ANNOUNCED_LOOK_BACKOFF;
    looks = 0;
    doorbell.ring();
  };
  const cleanups = [
    ...resultPlaces(wait.of).map(({ subject }) => link.subscribe(subject, announce)),
    link.onReconnect(announce),
  ];
  try {
    for (;;) {
      assertNotAborted(context, what, wait.signal);
      const outcome = await lookUpResult(context, wait.of, wait.signal);
      if (outcome.kind === 'found' && !isStale(outcome.message, wait)) {
        return toResult(outcome.message);
      }
      if (outcome.kind === 'unreadable') throw unreadable(wait.of, outcome.reason);
      const leftMs = wait.untilMs - context.clock.nowMs();
      if (leftMs <= 0) throw outOfTime(`${what} took longer than ${limitMs} ms`, outcome);
      looks += 1;
      const waitMs = withJitter(context, backoffMs(policy, looks));
      await doorbell.wait(Math.min(waitMs, leftMs), wait.signal, link.closed);
    }
  } finally {
    for (const cleanup of cleanups) cleanup();
  }
}

/** The result, or, where there is none, a refusal: see result-place.ts. */
export async function lookUpResult(
  context: ClientContext,
  of: TenantTask,
  signal: AbortSignal | undefined,
): Promise<ReadOutcome> {
  const looks = resultPlaces(of).map((place) => context.stored.readLast({ ...place, signal }));
  const [long, short] = await Promise.all(looks);
  if (long === undefined || short === undefined) throw new Error('a result has two places');
  if (long.kind === 'found') return long;
  if (short.kind === 'found' && refusedSequence(short.message) === undefined) return short;
  // What can't be read may be the result, of which a refusal says nothing.
  if (long.kind !== 'absent') return long;
  return short;
}

/** Of the task that a limit refused, where this is no result. */
export function refusedSequence(message: StoredMessage): number | undefined {
  return readResultMarks((name) => message.header(name)).refusedSequence;
}

function isStale(message: StoredMessage, wait: ResultWait): boolean {
  const refused = refusedSequence(message);
  return refused !== undefined && wait.sequence !== undefined && refused < wait.sequence;
}

export function toResult(message: Pick<StoredMessage, 'contentType' | 'body'>): Result {
  if (message.contentType !== PROTOBUF_CONTENT_TYPE) return parseResult(message.body);
  return unpackResult(message.body);
}

/** The output of a result, or its error as an exception. */
export function outputOf(result: Result): unknown {
  if (result.ok) return result.output;
  throw LlmosError.fromBody(result.error);
}

function unreadable({ task }: TenantTask, reason: string): LlmosError {
  return new LlmosError('DATA_LOSS', `the result of task ${task} can’t be read: ${reason}`);
}

function outOfTime(text: string, outcome: ReadOutcome): LlmosError {
  const reason =
    outcome.kind === 'unavailable' ? `: results can't be read (${outcome.reason})` : '';
  return new LlmosError('DEADLINE_EXCEEDED', `${text}${reason}`);
}

/**
 * Walks through the stored messages of a stream, oldest first, each exactly once.
 *
 * While it follows, a message seen on the subject is only a wake-up: what is stored is read, so
 * nothing is lost or doubled when the connection breaks.
 */
import { LlmosError, backoffMs } from '@llmos/base';
import type { ClientContext } from './client-context';
import { assertNotAborted } from './client-context';
import { FOLLOW_BACKOFF, SDK_LIMITS } from './limits';
import type { ReadLimit, StoredMessage, StreamDescription } from './ports/stored-messages';

export interface StoredWalk {
  readonly what: string;
  readonly stream: string;
  /** May hold wildcards. */
  readonly subject: string;
  readonly fromSequence: number;
  /** Waits for more after the last one. */
  readonly follows: boolean;
  readonly signal: AbortSignal | undefined;
  /** By the context's clock; then DEADLINE_EXCEEDED. Default: no limit. */
  readonly untilMs?: number;
}

export async function* walkStored(
  context: ClientContext,
  walk: StoredWalk,
): AsyncGenerator<StoredMessage, void, undefined> {
  const { link } = context;
  const { stream, subject, signal, untilMs = Infinity } = walk;
  const doorbell = context.createDoorbell();
  const ring = (): void => doorbell.ring();
  const cleanups = walk.follows ? [link.subscribe(subject, ring), link.onReconnect(ring)] : [];
  const limitMs = Math.ceil(untilMs - context.clock.nowMs());
  let fromSequence = Math.max(1, walk.fromSequence);
  let fruitless = 0;
  try {
    for (;;) {
      assertNotAborted(context, walk.what, signal);
      const waitMs = untilMs - context.clock.nowMs();
      if (waitMs <= 0) {
        throw new LlmosError('DEADLINE_EXCEEDED', `${walk.what} took longer than ${limitMs} ms`);
      }
      const look = { stream, subject, fromSequence, signal, waitMs };
      const outcome = await context.stored.readNext(look);
      if (outcome.kind === 'found') {
        fruitless = 0;
        fromSequence = outcome.message.sequence + 1;
        yield outcome.message;
        continue;
      }
      if (!walk.follows && outcome.kind === 'absent') return;
      if (outcome.kind === 'unreadable') {
        throw new LlmosError('DATA_LOSS', `${walk.what}: ${stream} ${outcome.reason}`);
      }
      fruitless += 1;
      if (outcome.kind === 'unavailable' && fruitless > SDK_LIMITS.maxFruitlessReads) {
        assertNotAborted(context, walk.what, signal);
        throw new LlmosError('UNAVAILABLE', `${walk.what}: ${stream} ${outcome.reason}`);
      }
      const pauseMs = Math.min(backoffMs(FOLLOW_BACKOFF, fruitless), waitMs);
      await doorbell.wait(pauseMs, signal, link.closed);
    }
  } finally {
    for (const cleanup of cleanups) cleanup();
  }
}

/** Throws UNAVAILABLE where the stream is not there, or can't be looked at. */
export async function streamState(
  context: ClientContext,
  stream: string,
  limit: ReadLimit,
): Promise<StreamDescription> {
  const outcome = await context.stored.readStream(stream, limit);
  if (outcome.kind === 'found') return outcome.stream;
  assertNotAborted(context, `looking at stream ${stream}`, limit.signal);
  const reason =
    outcome.kind === 'absent' ? 'is not there: no kernel has started yet' : outcome.reason;
  throw new LlmosError('UNAVAILABLE', `stream ${stream} ${reason}`);
}

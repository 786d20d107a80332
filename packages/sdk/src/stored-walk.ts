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
import type { StoredMessage, StreamDescription } from './ports/stored-messages';

export interface StoredWalk {
  readonly what: string;
  readonly stream: string;
  /** May hold wildcards. */
  readonly subject: string;
  readonly fromSequence: number;
  /** Waits for more after the last one. */
  readonly follows: boolean;
  readonly signal: AbortSignal | undefined;
}

export async function* walkStored(
  context: ClientContext,
  walk: StoredWalk,
): AsyncGenerator<StoredMessage, void, undefined> {
  const { link } = context;
  const { stream, subject, signal } = walk;
  const alarm = context.createAlarm();
  const ring = (): void => alarm.ring();
  const cleanups = walk.follows ? [link.subscribe(subject, ring), link.onReconnect(ring)] : [];
  let fromSequence = Math.max(1, walk.fromSequence);
  let fruitless = 0;
  try {
    for (;;) {
      assertNotAborted(context, walk.what, signal);
      const outcome = await context.stored.readNext({ stream, subject, fromSequence, signal });
      if (outcome.kind === 'found') {
        fruitless = 0;
        fromSequence = outcome.message.sequence + 1;
        yield outcome.message;
        continue;
      }
      if (!walk.follows && outcome.kind === 'absent') return;
      fruitless += 1;
      if (outcome.kind === 'unavailable' && fruitless > SDK_LIMITS.maxFruitlessReads) {
        assertNotAborted(context, walk.what, signal);
        throw new LlmosError('UNAVAILABLE', `${walk.what}: ${stream} ${outcome.reason}`);
      }
      await alarm.wait(backoffMs(FOLLOW_BACKOFF, fruitless), signal, link.closed);
    }
  } finally {
    for (const cleanup of cleanups) cleanup();
  }
}

/** Throws UNAVAILABLE where the stream is not there, or can't be looked at. */
export async function streamState(
  context: ClientContext,
  stream: string,
  signal: AbortSignal | undefined,
): Promise<StreamDescription> {
  const outcome = await context.stored.readStream(stream, signal);
  if (outcome.kind === 'found') return outcome.stream;
  assertNotAborted(context, `looking at stream ${stream}`, signal);
  const reason = outcome.kind === 'absent' ? 'is not there: no kernel has started yet' : '';
  const text = reason === '' && outcome.kind === 'unavailable' ? outcome.reason : reason;
  throw new LlmosError('UNAVAILABLE', `stream ${stream} ${text}`);
}

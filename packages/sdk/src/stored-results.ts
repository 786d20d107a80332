/** The stored results of the tenant: removing old ones, to make room. */
import { LlmosError, quoteShort, resultPatterns } from '@llmos/base';
import type { WaitOptions } from './call-options';
import { assertOptions, checkWait } from './call-options';
import type { ClientContext } from './client-context';
import { assertNotAborted, assertOpen } from './client-context';
import { SDK_LIMITS } from './limits';

export interface PruneOptions extends WaitOptions {
  /**
   * In milliseconds, by this machine's clock; at least 60,000, because the result of a task that
   * has just ended is still asked for. A repeat of a call whose result is gone runs again.
   */
  readonly olderThanMs: number;
}

export interface StoredResults {
  /**
   * Removes the results of this tenant that are older, read or not, and answers how many there
   * were. Throws INVALID_ARGUMENT, PERMISSION_DENIED or UNAVAILABLE where the streams of results
   * can't be reached from this account, and DEADLINE_EXCEEDED; what was removed then stays removed.
   */
  prune(options: PruneOptions): Promise<{ readonly removed: number }>;
}

export function createStoredResults(context: ClientContext): StoredResults {
  return { prune: (options) => prune(context, options) };
}

interface Pruning {
  readonly context: ClientContext;
  readonly signal: AbortSignal | undefined;
  readonly untilMs: number;
  readonly beforeWallMs: number;
}

async function prune(
  context: ClientContext,
  options: PruneOptions,
): Promise<{ readonly removed: number }> {
  assertOptions(options);
  assertOpen(context);
  const { timeoutMs, signal } = checkWait(options, context.timeoutMs);
  const { olderThanMs } = options;
  const { leastPruneAgeMs } = SDK_LIMITS;
  if (!(Number.isSafeInteger(olderThanMs) && olderThanMs >= leastPruneAgeMs)) {
    throw new LlmosError(
      'INVALID_ARGUMENT',
      `olderThanMs is ${quoteShort(olderThanMs)}: it must be an integer from ${leastPruneAgeMs}`,
    );
  }
  const untilMs = context.clock.nowMs() + timeoutMs;
  const beforeWallMs = context.clock.wallMs() - olderThanMs;
  const pruning = { context, signal, untilMs, beforeWallMs };
  let removed = 0;
  for (const { stream, subject } of resultPatterns(context.tenant)) {
    const belowSequence = await firstKept(pruning, { stream, subject });
    // For a server, a bound of 0 or 1 is none at all: it would remove everything.
    if (belowSequence <= 1) continue;
    const outcome = await context.stored.purge({ stream, subject, belowSequence });
    if (outcome.kind === 'unavailable') throw unavailable(stream, outcome.reason);
    removed += outcome.removed;
  }
  return { removed };
}

/** The least sequence from which on nothing is old: what is stored later has a later stamp. */
async function firstKept(
  pruning: Pruning,
  of: { readonly stream: string; readonly subject: string },
): Promise<number> {
  const { context, signal, beforeWallMs } = pruning;
  const found = await context.stored.readStream(of.stream, { signal, waitMs: leftMs(pruning) });
  if (found.kind !== 'found') throw unavailable(of.stream, found.kind);
  let low = found.stream.firstSequence;
  let high = found.stream.lastSequence + 1;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const look = { ...of, fromSequence: middle, signal, waitMs: leftMs(pruning) };
    const outcome = await context.stored.readNext(look);
    if (outcome.kind === 'unavailable') throw unavailable(of.stream, outcome.reason);
    const isOld = outcome.kind === 'found' && outcome.message.storedWallMs < beforeWallMs;
    if (isOld) low = outcome.message.sequence + 1;
    else high = middle;
  }
  return low;
}

function leftMs({ context, signal, untilMs }: Pruning): number {
  assertNotAborted(context, 'pruning results', signal);
  const leftMs = untilMs - context.clock.nowMs();
  if (leftMs > 0) return leftMs;
  throw new LlmosError('DEADLINE_EXCEEDED', 'pruning results took too long; ask again to go on');
}

function unavailable(stream: string, reason: string): LlmosError {
  return new LlmosError('UNAVAILABLE', `pruning results: ${stream} is ${reason}`);
}

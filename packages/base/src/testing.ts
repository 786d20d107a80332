/** For tests of any package: a clock that moves only when told, what is still held, and usual terms. */
import type { Clock } from './clock';
import type { TaskTerms } from './task-headers';
import { readTaskTerms } from './task-headers';

export { HARDLY_ANY_BYTES, collectGarbage, heldBytesOf } from './adapters/node/collect-garbage';

export interface ManualClock extends Clock {
  advance(ms: number): void;
}

export function manualClock(startWallMs = 1_800_000_000_000): ManualClock {
  let elapsedMs = 0;
  return {
    nowMs: () => elapsedMs,
    wallMs: () => startWallMs + elapsedMs,
    advance: (ms) => {
      elapsedMs += ms;
    },
  };
}

/** Those of a task without headers, but for these. */
export function termsOf(changes: Partial<TaskTerms> = {}): TaskTerms {
  const reading = readTaskTerms(() => undefined);
  if (reading.kind === 'invalid') throw new Error(reading.error.message);
  return { ...reading.terms, ...changes };
}

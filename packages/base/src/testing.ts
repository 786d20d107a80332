/** For tests of any package: a clock that moves only when told, and what is still held. */
import type { Clock } from './clock';

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

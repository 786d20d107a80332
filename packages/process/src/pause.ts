import type { Timers } from '@llmos/base';

/** Waits that end early when the signal aborts; they resolve either way. */
export type Pause = (waitMs: number, signal: AbortSignal) => Promise<void>;

export function createPause(timers: Timers): Pause {
  return (waitMs, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const end = (): void => {
        cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const cancel = timers.after(waitMs, end);
      signal.addEventListener('abort', end);
    });
}

/** Waits that end early when the signal aborts; they resolve either way. */
export type Pause = (waitMs: number, signal: AbortSignal) => Promise<void>;

export const systemPause: Pause = (waitMs, signal) =>
  new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, waitMs);
    signal.addEventListener('abort', end);
  });

/**
 * Waiting as an argument, as Clock is for readings: composition roots hold the system's timers, the
 * simulator and tests have their own. What is asked for never runs before the call has returned.
 */
export interface Timers {
  /** Once, after so long. */
  after(delayMs: number, run: () => void): CancelTimer;
  /** Again and again, the first time after one period. */
  every(periodMs: number, run: () => void): CancelTimer;
  /** At the end of this turn of the event loop: behind all that came in together. */
  soon(run: () => void): CancelTimer;
}

/** May be called at any time, and twice. */
export type CancelTimer = () => void;

/** `setTimeout` fires at once for delays of 2^31 ms and more. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemTimers: Timers = {
  after: (delayMs, run) => {
    const timer = setTimeout(run, Math.min(Math.max(0, delayMs), MAX_DELAY_MS));
    return () => clearTimeout(timer);
  },
  every: (periodMs, run) => {
    const timer = setInterval(run, periodMs);
    return () => clearInterval(timer);
  },
  soon: (run) => {
    const turn = setImmediate(run);
    return () => clearImmediate(turn);
  },
};

/** Time as an argument. Only adapters and composition roots hold a Clock; the core gets readings. */
export interface Clock {
  /** Monotonic milliseconds; comparable only inside this program. */
  nowMs(): number;
  /** Wall clock, milliseconds since 1970; may be stored and sent. */
  wallMs(): number;
}

export interface Instant {
  readonly nowMs: number;
  readonly wallMs: number;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
};

export function readClock(clock: Clock): Instant {
  return { nowMs: clock.nowMs(), wallMs: clock.wallMs() };
}

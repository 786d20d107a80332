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

/** Tests only: a program whose wall clock is wrong by so much. */
export function wrongClock(aheadMs: number): Clock {
  if (aheadMs === 0) return systemClock;
  return { nowMs: () => systemClock.nowMs(), wallMs: () => systemClock.wallMs() + aheadMs };
}

/** What the environment says for `wrongClock`; undefined where it can't be read. */
export function readWrongClock(value: string | undefined): number | undefined {
  if (value === undefined || value.trim() === '') return 0;
  return /^-?\d{1,12}$/.test(value.trim()) ? Number(value) : undefined;
}

export function readClock(clock: Clock): Instant {
  return { nowMs: clock.nowMs(), wallMs: clock.wallMs() };
}

/**
 * What time it is at the NATS server, and how long ago something was stored there.
 *
 * Deadlines count from the stamps that JetStream gives, and no program may judge them by a wall
 * clock of its own: one that is 90 s ahead would end every call. So a program keeps time by its
 * monotonic clock alone, and learns from stamps of moments that it witnessed how the server's clock
 * lies to it. T1 to T5 are cited where they are kept.
 *
 * T1 The program's own wall clock ends nothing. Its steady time is the monotonic clock plus a
 *    constant; a stamp is turned into steady time by what was measured (`steadyOf`).
 * T2 A measured stamp bounds the server's clock: it was given before it was heard of, and, for what
 *    this program wrote itself, after it was sent. Of the last few, the tightest holds.
 * T3 A jump of the server's clock begins an era; stamps of before keep their own measure. So a jump,
 *    forward or back, ends nothing that was stored before it.
 * T4 What was stored before this program measured at all counts by the server's stamps only while
 *    its own wall clock agrees with the server's: two clocks that differ prove nothing about time
 *    that nobody here witnessed. Otherwise, and while nothing is measured, it counts anew from now.
 * T5 Nothing was stored in the future.
 */
import type { Clock } from './clock';
import { CLOCK_LIMITS } from './limits';

/** A stamp of JetStream and when it was heard of, by the monotonic clock. */
export interface StampHeard {
  readonly stampWallMs: number;
  readonly heardAtMs: number;
  /** When the message was sent, where this program wrote it. */
  readonly sentAtMs?: number;
}

/** How the wall clock of a program stands to the server's. */
export type ClockState = 'unknown' | 'agrees' | 'differs';

export interface ClockReading {
  readonly state: ClockState;
  /** Own wall clock less the server's; absent where nothing was heard lately. */
  readonly offsetMs?: number;
  /** Of the server's clock, since this program began. */
  readonly jumps: number;
}

/** Between two jumps: a stamp of the server is the monotonic clock plus `baseMs`. */
interface Era {
  /** No stamp of this era is smaller. */
  readonly fromStampMs: number;
  baseMs: number;
}

export class ServerTime {
  private readonly originMs: number;
  private eras: Era[] = [];
  /** Least bases that the last stamps allow. */
  private window: number[] = [];
  private measuredFromMs = Number.POSITIVE_INFINITY;
  private lastHeardMs = Number.NEGATIVE_INFINITY;
  private jumps = 0;
  private highest: { readonly sequence: number; readonly stampMs: number } | undefined;

  constructor(private readonly clock: Clock) {
    this.originMs = clock.wallMs() - clock.nowMs();
  }

  /** For whatever judges time: its wall clock goes on evenly, whatever people set (T1). */
  get steady(): Clock {
    const { clock, originMs } = this;
    return { nowMs: () => clock.nowMs(), wallMs: () => originMs + clock.nowMs() };
  }

  /** A stamp of a moment that just passed; older ones do no harm. */
  hear({ stampWallMs, heardAtMs, sentAtMs }: StampHeard): void {
    if (!Number.isSafeInteger(stampWallMs)) return;
    const leastBaseMs = stampWallMs - heardAtMs;
    const mostBaseMs = sentAtMs === undefined ? Infinity : stampWallMs - sentAtMs;
    this.measure({ leastBaseMs, mostBaseMs, heardAtMs });
    this.lastHeardMs = heardAtMs;
  }

  /**
   * A message of one stream, live or not. A later one with an earlier stamp shows a jump back.
   */
  hearStored(of: { readonly sequence: number; readonly stampWallMs: number }): void {
    const { sequence, stampWallMs } = of;
    const era = this.eras.at(-1);
    if (era === undefined || sequence <= (this.highest?.sequence ?? 0)) return;
    const before = this.highest;
    const heardAtMs = this.clock.nowMs();
    const isPast = stampWallMs <= heardAtMs + era.baseMs + CLOCK_LIMITS.jumpMs;
    if (this.isWitnessed(stampWallMs, era) && isPast)
      this.highest = { sequence, stampMs: stampWallMs };
    if (before === undefined || stampWallMs >= before.stampMs - CLOCK_LIMITS.jumpMs) return;
    this.highest = { sequence, stampMs: stampWallMs };
    // It was stored after the one before it, so the server's clock had gone back by then.
    const mostBaseMs = era.baseMs + stampWallMs - before.stampMs;
    this.measure({ leastBaseMs: stampWallMs - heardAtMs, mostBaseMs, heardAtMs });
  }

  /** The steady time at which a stamp was given, as far as that is known; never in the future. */
  steadyOf(stampWallMs: number): number {
    const nowMs = this.clock.nowMs();
    const steadyNowMs = this.originMs + nowMs;
    const era = this.eraOf(stampWallMs);
    if (era === undefined) return steadyNowMs; // T4
    if (
      !this.isWitnessed(stampWallMs, era) &&
      Math.abs(this.offsetMs() ?? Infinity) > CLOCK_LIMITS.trustMs
    ) {
      return steadyNowMs; // T4
    }
    return Math.min(steadyNowMs, stampWallMs - era.baseMs + this.originMs); // T5
  }

  /** The server's wall clock now; the own one while nothing is measured. */
  wallMs(): number {
    const era = this.eras.at(-1);
    return era === undefined ? this.clock.wallMs() : Math.round(this.clock.nowMs() + era.baseMs);
  }

  reading(): ClockReading {
    const { jumps } = this;
    const offsetMs = this.offsetMs();
    const silentMs = this.clock.nowMs() - this.lastHeardMs;
    if (offsetMs === undefined || silentMs > CLOCK_LIMITS.staleMs)
      return { state: 'unknown', jumps };
    const state = Math.abs(offsetMs) > CLOCK_LIMITS.trustMs ? 'differs' : 'agrees';
    return { state, offsetMs: Math.round(offsetMs), jumps };
  }

  private offsetMs(): number | undefined {
    const era = this.eras.at(-1);
    return era && this.clock.wallMs() - this.clock.nowMs() - era.baseMs;
  }

  private measure(of: {
    readonly leastBaseMs: number;
    readonly mostBaseMs: number;
    readonly heardAtMs: number;
  }): void {
    const { leastBaseMs, mostBaseMs, heardAtMs } = of;
    const era = this.eras.at(-1);
    if (era === undefined) {
      this.measuredFromMs = leastBaseMs + heardAtMs;
      this.eras = [{ fromStampMs: Number.NEGATIVE_INFINITY, baseMs: leastBaseMs }];
      this.window = [leastBaseMs];
      return;
    }
    const window = [...this.window, leastBaseMs].slice(-CLOCK_LIMITS.samples);
    const tightestMs = Math.max(...window);
    const isForward = leastBaseMs > era.baseMs + CLOCK_LIMITS.jumpMs;
    const isBack = Math.min(mostBaseMs, tightestMs) < era.baseMs - CLOCK_LIMITS.jumpMs;
    if (!isForward && !isBack) {
      this.window = window;
      era.baseMs = tightestMs;
      return;
    }
    const baseMs = isForward ? leastBaseMs : Math.min(mostBaseMs, tightestMs);
    this.jump(era, baseMs, heardAtMs);
  }

  /** T3. The jump lies between the last stamp and this one. */
  private jump(era: Era, baseMs: number, heardAtMs: number): void {
    const fromStampMs =
      baseMs > era.baseMs ? heardAtMs + era.baseMs : Math.min(heardAtMs, this.lastHeardMs) + baseMs;
    this.jumps += 1;
    this.window = [baseMs];
    this.eras = [...this.eras, { fromStampMs, baseMs }].slice(-CLOCK_LIMITS.maxEras);
  }

  /** Whether the stamp may have been given while this program measured. */
  private isWitnessed(stampWallMs: number, era: Era): boolean {
    return era !== this.eras[0] || stampWallMs >= this.measuredFromMs;
  }

  /** Where eras overlap after a jump back, the later one: its stamps are taken for younger. */
  private eraOf(stampWallMs: number): Era | undefined {
    return this.eras.findLast((era) => stampWallMs >= era.fromStampMs) ?? this.eras[0];
  }
}

import { CLOCK_LIMITS } from './limits';
import { ServerTime } from './server-time';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** A program and a server, each with a wall clock of its own over one true time. */
class Bench {
  private trueMs = 0;
  aheadMs = 0;
  serverAheadMs = 0;
  sequence = 0;
  readonly time: ServerTime;

  constructor(aheadMs = 0) {
    this.aheadMs = aheadMs;
    this.time = new ServerTime({
      nowMs: () => this.trueMs,
      wallMs: () => 1_800_000_000_000 + this.trueMs + this.aheadMs,
    });
  }

  pass(ms: number): void {
    this.trueMs += ms;
  }

  /** What the server stamps now. */
  stamp(): number {
    return 1_800_000_000_000 + this.trueMs + this.serverAheadMs;
  }

  /** A renewal of the lease: `delayMs` on its way back. */
  renew(of: { readonly delayMs?: number; readonly isOwn?: boolean } = {}): void {
    const { delayMs = 2, isOwn = true } = of;
    const sentAtMs = this.trueMs;
    const stampWallMs = this.stamp();
    this.pass(delayMs);
    const own = isOwn ? { sentAtMs } : {};
    this.time.hear({ stampWallMs, heardAtMs: this.trueMs, ...own });
  }

  ageOf(stamp: number): number {
    return this.time.steady.wallMs() - this.time.steadyOf(stamp);
  }
}

describe('the time of the NATS server', () => {
  it.each([90_000, 13 * HOUR_MS, -13 * HOUR_MS])(
    'is right in a program whose clock is %i ms ahead',
    (aheadMs) => {
      const bench = new Bench(aheadMs);
      bench.renew();
      const stamp = bench.stamp();
      bench.pass(30_000);
      expect(bench.ageOf(stamp)).toBeGreaterThanOrEqual(29_990);
      expect(bench.ageOf(stamp)).toBeLessThanOrEqual(30_000);
      expect(Math.abs(bench.time.wallMs() - bench.stamp())).toBeLessThan(10);
    },
  );

  it('takes everything for new while nothing is measured', () => {
    const bench = new Bench();
    expect(bench.ageOf(bench.stamp() - HOUR_MS)).toBe(0);
    expect(bench.time.reading()).toEqual({ state: 'unknown', jumps: 0 });
  });

  it('counts what lay there before it began, while the clocks agree', () => {
    const bench = new Bench(200);
    const stamp = bench.stamp();
    bench.pass(HOUR_MS);
    bench.renew();
    expect(Math.abs(bench.ageOf(stamp) - HOUR_MS)).toBeLessThan(10);
    expect(bench.time.reading()).toMatchObject({ state: 'agrees', jumps: 0 });
  });

  it('counts it anew where the clocks differ, and says by how much', () => {
    const bench = new Bench(13 * HOUR_MS);
    const stamp = bench.stamp();
    bench.pass(HOUR_MS);
    bench.renew();
    expect(bench.ageOf(stamp)).toBe(0);
    const { state, offsetMs = 0 } = bench.time.reading();
    expect(state).toBe('differs');
    expect(Math.abs(offsetMs - 13 * HOUR_MS)).toBeLessThan(10);
  });

  it.each([13 * HOUR_MS, 90_000, -90_000, -13 * HOUR_MS])(
    'lets no jump of the server by %i ms make older what was stored before',
    (jumpMs) => {
      const bench = new Bench();
      bench.renew();
      bench.pass(2_000);
      bench.renew();
      const before = bench.stamp();
      bench.pass(1_000);
      bench.serverAheadMs = jumpMs;
      bench.renew();
      expect(bench.time.reading().jumps).toBe(1);
      const after = bench.stamp();
      bench.pass(10_000);
      bench.renew();
      expect(bench.ageOf(before)).toBeLessThanOrEqual(11_010);
      expect(Math.abs(bench.ageOf(after) - 10_000)).toBeLessThan(20);
      expect(Math.abs(bench.time.wallMs() - bench.stamp())).toBeLessThan(10);
    },
  );

  it('still counts what was stored before a jump forward, exactly', () => {
    const bench = new Bench();
    bench.renew();
    bench.pass(5_000);
    const before = bench.stamp();
    bench.renew();
    bench.serverAheadMs = HOUR_MS;
    bench.renew();
    bench.pass(20_000);
    expect(Math.abs(bench.ageOf(before) - 20_000)).toBeLessThan(20);
  });

  it('is not moved by its own wall clock', () => {
    const bench = new Bench();
    bench.renew();
    const stamp = bench.stamp();
    bench.pass(1_000);
    bench.aheadMs = 13 * HOUR_MS;
    expect(bench.ageOf(stamp)).toBeLessThanOrEqual(1_000);
  });

  it('follows drift without calling it a jump', () => {
    const bench = new Bench();
    bench.renew();
    for (let renewals = 0; renewals < 1_000; renewals += 1) {
      bench.pass(2_000);
      bench.serverAheadMs += 5;
      bench.renew();
    }
    expect(bench.time.reading().jumps).toBe(0);
    expect(Math.abs(bench.time.wallMs() - bench.stamp())).toBeLessThan(100);
  });

  it('takes stamps that come late for what they are', () => {
    const bench = new Bench();
    bench.renew({ isOwn: false });
    for (let renewals = 0; renewals < 20; renewals += 1) {
      bench.renew({ isOwn: false, delayMs: renewals % CLOCK_LIMITS.samples === 0 ? 3 : 4_000 });
    }
    expect(bench.time.reading()).toMatchObject({ jumps: 0, state: 'agrees' });
  });

  it('notices a jump back of which only others’ renewals tell', () => {
    const bench = new Bench();
    bench.renew({ isOwn: false });
    bench.serverAheadMs = -HOUR_MS;
    for (let renewals = 0; renewals < CLOCK_LIMITS.samples + 1; renewals += 1) {
      bench.pass(2_000);
      bench.renew({ isOwn: false });
    }
    expect(bench.time.reading().jumps).toBe(1);
    expect(Math.abs(bench.time.wallMs() - bench.stamp())).toBeLessThan(10);
  });

  it('notices a jump back by a later message with an earlier stamp', () => {
    const bench = new Bench();
    bench.renew();
    bench.pass(1_000);
    bench.time.hearStored({ sequence: 1, stampWallMs: bench.stamp() });
    bench.serverAheadMs = -HOUR_MS;
    bench.pass(500);
    const stamp = bench.stamp();
    bench.time.hearStored({ sequence: 2, stampWallMs: stamp });
    expect(bench.ageOf(stamp)).toBeLessThanOrEqual(500);
    expect(bench.time.reading().jumps).toBe(1);
  });

  it('is not led astray by stamps of a future that was', () => {
    const bench = new Bench();
    bench.renew();
    bench.time.hearStored({ sequence: 1, stampWallMs: bench.stamp() + 13 * HOUR_MS });
    bench.time.hearStored({ sequence: 2, stampWallMs: bench.stamp() });
    expect(bench.time.reading()).toMatchObject({ jumps: 0, state: 'agrees' });
    expect(bench.ageOf(bench.stamp() + 13 * HOUR_MS)).toBe(0);
  });

  it('says so when nothing was heard for a while', () => {
    const bench = new Bench();
    bench.renew();
    bench.pass(CLOCK_LIMITS.staleMs + 1);
    expect(bench.time.reading()).toEqual({ state: 'unknown', jumps: 0 });
  });

  it('refuses a stamp that is no number', () => {
    const bench = new Bench();
    bench.time.hear({ stampWallMs: Number.NaN, heardAtMs: 0 });
    expect(bench.time.reading().state).toBe('unknown');
  });
});

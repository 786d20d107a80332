import { EDGE_LIMITS } from '../edge-limits';
import { IntakePace } from './intake-pace';

const { pacedIdleShare, maxPacePauseMs, pacedAfterCallMs, pullBatch, pullPacedBatch } = EDGE_LIMITS;
const LAST = 100;
const NEW = { sequence: LAST + 1, areNew: true };
const OLD = { sequence: LAST, areNew: true };
const owedFor = (activeMs: number): number => (activeMs * pacedIdleShare) / (1 - pacedIdleShare);

function setUp() {
  const reading = { active: 0, idle: 0 };
  let nowMs = 0;
  const options = { read: () => ({ ...reading }), nowMs: () => nowMs, lastSequence: LAST };
  const pace = new IntakePace(options);
  /** The event loop works so long, and then idles. */
  const pass = (activeMs: number, idleMs: number): void => {
    reading.active += activeMs;
    reading.idle += idleMs;
    nowMs += activeMs + idleMs;
  };
  return { pace, pass };
}

it('never waits while nobody calls', () => {
  const { pace, pass } = setUp();
  pass(20, 0);
  expect(pace.pauseMs(NEW)).toBe(0);
  expect(pace.batch(NEW)).toBe(pullBatch);
});

it('waits for the idle share of the time since the last pull while somebody calls', () => {
  const { pace, pass } = setUp();
  pace.noteCall();
  pass(10, 0);
  expect(pace.pauseMs(NEW)).toBeCloseTo(owedFor(10));
  expect(pace.batch(NEW)).toBe(pullPacedBatch);
  pass(0, owedFor(10));
  pass(10, 4);
  expect(pace.pauseMs(NEW)).toBeCloseTo(Math.max(0, owedFor(10) - owedFor(10) - 4));
});

it('owes nothing for what was done before somebody called', () => {
  const { pace, pass } = setUp();
  pass(1_000, 0);
  expect(pace.pauseMs(NEW)).toBe(0);
  pace.noteCall();
  pass(10, 0);
  expect(pace.pauseMs(NEW)).toBeCloseTo(owedFor(10));
});

it('lets the pulls of several classes wait one after the other, but not for long', () => {
  const { pace, pass } = setUp();
  pace.noteCall();
  pass(10, 0);
  const first = pace.pauseMs(NEW);
  pass(4, 0);
  expect(pace.pauseMs(NEW)).toBeCloseTo(first - 4 + owedFor(4));
  pass(1_000 - pacedAfterCallMs / 2, 0);
  expect(pace.pauseMs(NEW)).toBe(maxPacePauseMs);
});

it('takes what had waited for this leader at full speed', () => {
  const { pace, pass } = setUp();
  pace.noteCall();
  pass(20, 0);
  expect(pace.pauseMs(OLD)).toBe(0);
  expect(pace.batch(OLD)).toBe(pullBatch);
});

it('takes the deliveries of what it has taken in ahead at full speed', () => {
  const { pace, pass } = setUp();
  pace.noteCall();
  pass(20, 0);
  const known = { sequence: LAST + 1, areNew: false };
  expect(pace.pauseMs(known)).toBe(0);
  expect(pace.batch(known)).toBe(pullBatch);
});

it('goes at full speed again once nobody has called for a while', () => {
  const { pace, pass } = setUp();
  pace.noteCall();
  pass(pacedAfterCallMs, 0);
  expect(pace.pauseMs(NEW)).toBe(0);
});

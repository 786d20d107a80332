import type { WaitingRequest } from './batch-policy';
import { isQuick, planBatch } from './batch-policy';

const bounds = { maxRequests: 3, maxBytes: 10_000 };
const request = (more: Partial<WaitingRequest> = {}): WaitingRequest => ({
  class: 'interactive',
  priority: 5,
  function: 'embed',
  bytes: 100,
  waitsSinceMs: 0,
  ...more,
});
const run = (waiting: readonly WaitingRequest[], nowMs = 1000): readonly WaitingRequest[] => {
  const plan = planBatch(waiting, { bounds, nowMs, idleThreads: 1 });
  return plan.kind === 'run' ? plan.requests : [];
};

describe('batch policy', () => {
  it('calls quick what is short and not of batch', () => {
    expect(isQuick(request({ bytes: 2048 }))).toBe(true);
    expect(isQuick(request({ bytes: 2049 }))).toBe(false);
    expect(isQuick(request({ class: 'batch' }))).toBe(false);
  });

  it('has nothing to do without requests', () => {
    expect(planBatch([], { bounds, nowMs: 0, idleThreads: 1 })).toEqual({ kind: 'idle' });
  });

  it('runs an urgent request at once, alone if need be', () => {
    expect(run([request()], 0)).toHaveLength(1);
  });

  it('lets bulk work wait a moment for mates, but no longer', () => {
    const waiting = [request({ class: 'batch', waitsSinceMs: 10 })];
    const plan = planBatch(waiting, { bounds, nowMs: 10, idleThreads: 2 });
    expect(plan.kind).toBe('wait');
    expect(run(waiting, plan.kind === 'wait' ? plan.untilMs : 0)).toHaveLength(1);
  });

  it('does not wait with a full batch', () => {
    const bulk = request({ class: 'batch', waitsSinceMs: 0 });
    expect(run([bulk, { ...bulk }, { ...bulk }, { ...bulk }], 0)).toHaveLength(3);
  });

  it('keeps functions apart', () => {
    const leader = request({ function: 'classify' });
    expect(run([leader, request(), request({ function: 'classify' })])).toEqual([
      leader,
      request({ function: 'classify' }),
    ]);
  });

  it('puts texts of similar length together, and short ones of any length', () => {
    const lengths = (...bytes: number[]) => bytes.map((each) => request({ bytes: each }));
    expect(run(lengths(4000, 100, 3000)).map((each) => each.bytes)).toEqual([4000, 3000]);
    expect(run(lengths(10, 900)).map((each) => each.bytes)).toEqual([10, 900]);
  });

  it('prefers the nearest in length among the equally urgent, and never the less urgent', () => {
    const lengths = [100, 400, 390, 110, 105].map((bytes) => request({ bytes }));
    expect(run(lengths).map((each) => each.bytes)).toEqual([100, 105, 110]);
    const bulk = request({ class: 'standard', bytes: 100 });
    expect(run([request(), bulk, { ...bulk }, request({ bytes: 400 })])[1]?.bytes).toBe(400);
  });

  it('leaves an idle thread its share', () => {
    const waiting = [request(), request(), request(), request()];
    const plan = planBatch(waiting, { bounds, nowMs: 0, idleThreads: 2 });
    expect(plan.kind === 'run' && plan.requests).toHaveLength(2);
  });

  it('bounds the bytes of a batch, but runs a single large request', () => {
    const lengths = (...bytes: number[]) => bytes.map((each) => request({ bytes: each }));
    expect(run(lengths(6000, 6000)).map((each) => each.bytes)).toEqual([6000]);
    expect(run(lengths(50_000)).map((each) => each.bytes)).toEqual([50_000]);
  });
});

import { judgeRestart } from './restart-policy';

const RULES = { limit: 2, windowMs: 1000, backoff: { firstMs: 10, factor: 2, maxMs: 100 } };

describe('restart policy', () => {
  it('backs off longer with each failure in the window', () => {
    const first = judgeRestart({ failuresAtMs: [], hadWork: false, nowMs: 500 }, RULES);
    expect(first).toEqual({ kind: 'restart', atMs: 510, failuresAtMs: [500] });
    const second = judgeRestart({ failuresAtMs: [500], hadWork: false, nowMs: 600 }, RULES);
    expect(second).toEqual({ kind: 'restart', atMs: 620, failuresAtMs: [500, 600] });
  });

  it('gives up beyond the limit', () => {
    const failure = { failuresAtMs: [500, 600], hadWork: false, nowMs: 700 };
    expect(judgeRestart(failure, RULES)).toEqual({ kind: 'give-up', failures: 3 });
  });

  it('forgets failures that left the window', () => {
    const failure = { failuresAtMs: [500, 600], hadWork: false, nowMs: 1600 };
    expect(judgeRestart(failure, RULES)).toMatchObject({ failuresAtMs: [1600] });
  });

  it('does not count a death under work, which the attempts of its tasks bound', () => {
    const failure = { failuresAtMs: [500, 600], hadWork: true, nowMs: 700 };
    expect(judgeRestart(failure, RULES)).toMatchObject({ kind: 'restart', atMs: 710 });
  });
});

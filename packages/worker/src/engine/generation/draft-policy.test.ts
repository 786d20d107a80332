import { DraftPolicy } from './draft-policy';

/** Runs of a sequence whose guesses are right by a rule; answers the guesses of each run. */
function lengthsOf(policy: DraftPolicy, runs: number, acceptedOf: (drafted: number) => number) {
  return Array.from({ length: runs }, () => {
    const drafted = policy.next();
    policy.record(drafted, acceptedOf(drafted));
    return drafted;
  });
}

describe('draft policy', () => {
  it('starts with few and grows while all are right', () => {
    const lengths = lengthsOf(new DraftPolicy({ maxDraft: 10 }), 5, (drafted) => drafted);
    expect(lengths).toEqual([2, 4, 8, 10, 10]);
  });

  it('shrinks to what was right', () => {
    const policy = new DraftPolicy();
    lengthsOf(policy, 3, (drafted) => drafted);
    policy.record(8, 3);
    expect(policy.next()).toBe(3);
  });

  it('stops after a few bad runs, and tries again ever more rarely', () => {
    const lengths = lengthsOf(new DraftPolicy(), 2000, () => 0);
    const tries = lengths.flatMap((drafted, run) => (drafted > 0 ? [run] : []));
    expect(tries.slice(0, 3).every((run) => run < 20)).toBe(true);
    expect(tries.length).toBeGreaterThan(5);
    expect(tries.length).toBeLessThan(20);
    const last = tries.at(-1) ?? 0;
    expect(last - (tries.at(-2) ?? 0)).toBe(257);
  });

  it('goes on again once the guesses are right', () => {
    const policy = new DraftPolicy();
    lengthsOf(policy, 300, () => 0);
    const lengths = lengthsOf(policy, 400, (drafted) => drafted);
    expect(lengths.slice(-10)).toEqual(Array.from({ length: 10 }, () => 8));
    // And a pause that follows is a short one.
    lengthsOf(policy, 30, () => 0);
    expect(lengthsOf(policy, 20, () => 0).some((drafted) => drafted > 0)).toBe(true);
  });

  it('keeps to what pays: the costlier a guess, the more of them must be right', () => {
    const everyThird = (): ((drafted: number) => number) => {
      let run = 0;
      return (drafted) => (drafted > 0 && (run += 1) % 3 === 0 ? drafted : 0);
    };
    const shareOf = (costPerDraft: number): number => {
      const policy = new DraftPolicy({ costPerDraft });
      return lengthsOf(policy, 600, everyThird()).filter((drafted) => drafted > 0).length / 600;
    };
    expect(shareOf(0.05)).toBeGreaterThan(0.9);
    expect(shareOf(0.9)).toBeLessThan(0.2);
  });

  it('learns nothing from runs without guesses', () => {
    const policy = new DraftPolicy();
    for (let run = 0; run < 100; run += 1) policy.record(0, 0);
    expect(policy.next()).toBe(2);
  });
});

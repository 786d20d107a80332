import { planBatches } from './token-batches';

const LIMITS = { maxRows: 32, maxTokens: 4096, runCostTokens: 7 };

describe('batches of rows', () => {
  it('puts every row into one batch, within the limits', () => {
    const lengths = Array.from({ length: 500 }, (_, index) => 1 + ((index * 37) % 256));
    const batches = planBatches(lengths, LIMITS);
    expect(batches.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, index) => index));
    for (const batch of batches) {
      const longest = Math.max(...batch.map((index) => lengths[index] ?? 0));
      expect(batch.length).toBeLessThanOrEqual(32);
      expect(batch.length * longest).toBeLessThanOrEqual(4096);
    }
  });

  it('gives a row that is too long a batch of its own', () => {
    expect(planBatches([5, 100, 5], { ...LIMITS, maxTokens: 20 })).toEqual([[0, 2], [1]]);
  });

  it('keeps the order of equal lengths and of no rows at all', () => {
    expect(planBatches([3, 3, 3], { ...LIMITS, maxRows: 2 }).flat()).toEqual([0, 1, 2]);
    expect(planBatches([], LIMITS)).toEqual([]);
  });

  it('pads where that is cheaper than a run of its own, and only there', () => {
    expect(planBatches([10, 11, 12], LIMITS)).toEqual([[0, 1, 2]]);
    expect(planBatches([4, 30, 5, 31], LIMITS)).toEqual([
      [0, 2],
      [1, 3],
    ]);
  });

  it('cuts at the least cost of all cuts', () => {
    const lengths = [4, 6, 9, 9, 13, 14, 22, 23, 40];
    const cost = (batches: readonly (readonly number[])[]): number =>
      batches.reduce((sum, batch) => {
        const longest = Math.max(...batch.map((index) => lengths[index] ?? 0));
        return sum + LIMITS.runCostTokens + batch.length * longest;
      }, 0);
    const all = Array.from({ length: 2 ** (lengths.length - 1) }, (_, cuts) => {
      const batches: number[][] = [[]];
      lengths.forEach((_, index) => {
        batches.at(-1)?.push(index);
        if ((cuts >> index) % 2 === 1) batches.push([]);
      });
      return batches.filter((batch) => batch.length > 0);
    });
    expect(cost(planBatches(lengths, LIMITS))).toBe(Math.min(...all.map(cost)));
  });
});

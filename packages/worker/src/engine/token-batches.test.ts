import { planBatches } from './token-batches';

describe('batches of rows', () => {
  it('puts every row into one batch, within the limits', () => {
    const lengths = Array.from({ length: 500 }, (_, index) => 1 + ((index * 37) % 256));
    const limits = { maxRows: 32, maxTokens: 4096 };
    const batches = planBatches(lengths, limits);
    expect(batches.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, index) => index));
    for (const batch of batches) {
      const longest = Math.max(...batch.map((index) => lengths[index] ?? 0));
      expect(batch.length).toBeLessThanOrEqual(32);
      expect(batch.length * longest).toBeLessThanOrEqual(4096);
    }
  });

  it('gives a row that is too long a batch of its own', () => {
    expect(planBatches([5, 100, 5], { maxRows: 8, maxTokens: 20 })).toEqual([[0, 2], [1]]);
  });

  it('keeps the order of equal lengths and of no rows at all', () => {
    expect(planBatches([3, 3, 3], { maxRows: 2, maxTokens: 100 })).toEqual([[0, 1], [2]]);
    expect(planBatches([], { maxRows: 2, maxTokens: 100 })).toEqual([]);
  });
});

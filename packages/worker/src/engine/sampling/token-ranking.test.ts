import { uniformOf } from './sampling';
import { lastOfShare, rankBest } from './token-ranking';

function logitsOf(seed: number, size: number): Float32Array {
  // Few values, so that many are equal; some are ruled out.
  return Float32Array.from({ length: size }, (_, id) => {
    const value = Math.floor(8 * uniformOf(seed, id));
    return value === 0 ? -Infinity : value;
  });
}

function sortedIds(logits: Float32Array): number[] {
  const compare = (a: number, b: number): number => {
    const [first, second] = [logits[a] as number, logits[b] as number];
    return first === second ? a - b : second - first;
  };
  return Array.from(logits.keys()).sort(compare);
}

describe('ranking tokens', () => {
  it('gives the first ones of the sorted vocabulary, the lower id first among equals', () => {
    for (let seed = 0; seed < 40; seed += 1) {
      const size = 1 + Math.floor(100 * uniformOf(seed, 1000));
      const logits = logitsOf(seed, size);
      const sorted = sortedIds(logits);
      for (const count of new Set([1, Math.ceil(size / 3), size])) {
        const ids = new Int32Array(size);
        rankBest(logits, count, ids);
        expect([...ids.subarray(0, count)]).toEqual(sorted.slice(0, count));
      }
    }
  });

  it('finds the last of the best that have a weight together', () => {
    for (let seed = 0; seed < 60; seed += 1) {
      const logits = logitsOf(seed, 1 + Math.floor(80 * uniformOf(seed, 1000)));
      // Powers of two, so that sums are exact in any order.
      const weights = Float64Array.from(logits, (logit) => 2 ** logit);
      const sorted = sortedIds(logits).filter((id) => id % 3 !== 1);
      const total = sorted.reduce((sum, id) => sum + (weights[id] as number), 0);
      for (const share of [0.01, 0.3, 0.5, 0.9, 1, 2]) {
        const ids = Int32Array.from(logits.keys()).filter((id) => id % 3 !== 1);
        const question = { logits, weights, ids, count: ids.length };
        let sum = 0;
        const last = sorted.find((id) => (sum += weights[id] as number) >= share * total);
        expect(lastOfShare(question, share * total)).toBe(last ?? sorted.at(-1));
      }
    }
  });
});

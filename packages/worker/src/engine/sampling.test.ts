import { chooseToken, penalizeRepetition, uniformOf } from './sampling';

const GREEDY = { temperature: 0, topK: 0, topP: 1, repetitionPenalty: 1 };
const logits = Float32Array.of(1, 3, 2, 3, -1, 0.5);

/** The definition, written the slow way: sort, cut, renormalise. */
function definedShares(
  values: Float32Array,
  settings: { temperature: number; topK: number; topP: number },
): Map<number, number> {
  const sorted = Array.from(values, (logit, id) => ({ id, logit })).sort(
    (a, b) => b.logit - a.logit || a.id - b.id,
  );
  const kept = settings.topK > 0 ? sorted.slice(0, settings.topK) : sorted;
  const powers = kept.map((item) => Math.exp(item.logit / settings.temperature));
  const sum = powers.reduce((total, power) => total + power, 0);
  let seen = 0;
  const nucleus = kept.filter((_, index) => {
    const isIn = index === 0 || seen < settings.topP;
    seen += (powers[index] ?? 0) / sum;
    return isIn;
  });
  const weights = nucleus.map((item) => Math.exp(item.logit / settings.temperature));
  const total = weights.reduce((all, weight) => all + weight, 0);
  return new Map(nucleus.map((item, index) => [item.id, (weights[index] ?? 0) / total]));
}

describe('sampling', () => {
  it('is greedy at temperature 0, the lower id first among equals', () => {
    expect(chooseToken(logits, GREEDY, 0.99)).toBe(1);
  });

  it.each([
    { temperature: 1, topK: 0, topP: 1 },
    { temperature: 0.5, topK: 0, topP: 1 },
    { temperature: 1.7, topK: 3, topP: 1 },
    { temperature: 1, topK: 0, topP: 0.6 },
    { temperature: 1, topK: 0, topP: 0.95 },
    { temperature: 2, topK: 4, topP: 0.8 },
    { temperature: 1, topK: 1, topP: 0.01 },
    { temperature: 1, topK: 100, topP: 1 },
  ])('draws with the shares of the definition: %j', (settings) => {
    const draws = 20_000;
    const counts = new Map<number, number>();
    for (let index = 0; index < draws; index += 1) {
      // Evenly spread numbers meet every share to within one draw per token.
      const token = chooseToken(logits, { ...GREEDY, ...settings }, (index + 0.5) / draws);
      counts.set(token, (counts.get(token) ?? 0) + 1);
    }
    const shares = definedShares(logits, settings);
    expect([...counts.keys()].sort()).toEqual([...shares.keys()].sort());
    for (const [id, share] of shares) {
      expect(Math.abs((counts.get(id) ?? 0) / draws - share)).toBeLessThan(2 / draws);
    }
  });

  it('agrees with the definition on a large vocabulary', () => {
    const large = Float32Array.from({ length: 5000 }, (_, id) => 4 * uniformOf(7, id));
    const settings = { temperature: 0.7, topK: 50, topP: 0.9 };
    const shares = definedShares(large, settings);
    for (let index = 0; index < 200; index += 1) {
      const token = chooseToken(large, { ...GREEDY, ...settings }, uniformOf(1, index));
      expect(shares.has(token)).toBe(true);
    }
  });

  it('survives temperatures that overflow', () => {
    expect(chooseToken(logits, { ...GREEDY, temperature: 1e-30 }, 0.2)).toBe(1);
    expect([1, 3]).toContain(chooseToken(logits, { ...GREEDY, temperature: 1e-30 }, 0.9999));
  });

  it('lowers what occurred, whatever its sign', () => {
    const own = Float32Array.of(2, -2, 2);
    penalizeRepetition(own, new Set([0, 1, 99]), 2);
    expect([...own]).toEqual([1, -4, 2]);
  });

  it('refuses logits that are not numbers', () => {
    expect(() => chooseToken(Float32Array.of(1, Number.NaN), GREEDY, 0)).toThrow(/NaN/);
    expect(() => chooseToken(Float32Array.of(-Infinity), GREEDY, 0)).toThrow(/every token/);
  });

  it('never draws a token that is ruled out', () => {
    const own = Float32Array.of(-Infinity, 0, -Infinity);
    for (const uniform of [0, 0.5, 1 - 2 ** -53]) {
      expect(chooseToken(own, { ...GREEDY, temperature: 1 }, uniform)).toBe(1);
      expect(chooseToken(own, { ...GREEDY, temperature: 1, topK: 2 }, uniform)).toBe(1);
    }
  });

  it('gives each seed and index its own number in [0, 1), evenly spread', () => {
    const seen = new Set<number>();
    let sum = 0;
    for (let seed = 0; seed < 30; seed += 1) {
      for (let index = 0; index < 100; index += 1) {
        const uniform = uniformOf(seed, index);
        expect(uniform >= 0 && uniform < 1).toBe(true);
        seen.add(uniform);
        sum += uniform;
      }
    }
    expect(seen.size).toBe(3000);
    expect(sum / 3000).toBeCloseTo(0.5, 1);
    expect(uniformOf(3, 4)).toBe(uniformOf(3, 4));
  });
});

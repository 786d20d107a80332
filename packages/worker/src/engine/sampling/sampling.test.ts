import { SamplingWorkspace, chooseToken, sampleSeed, uniformOf } from './sampling';
import type { SamplingSettings } from './sampling';

const GREEDY: SamplingSettings = { temperature: 0, topK: 0, topP: 1, minP: 0 };
const logits = Float32Array.of(1, 3, 2, 3, -1, 0.5);

/** The definition, written the slow way: sort, cut, renormalise, each cut after the other. */
function definedShares(values: Float32Array, settings: SamplingSettings): Map<number, number> {
  const sorted = Array.from(values, (logit, id) => ({ id, logit })).sort(
    (a, b) => b.logit - a.logit || a.id - b.id,
  );
  const largest = sorted[0]?.logit ?? 0;
  const powerOf = (logit: number): number => Math.exp((logit - largest) / settings.temperature);
  const share = (items: typeof sorted): { id: number; logit: number; share: number }[] => {
    const sum = items.reduce((total, item) => total + powerOf(item.logit), 0);
    return items.map((item) => ({ ...item, share: powerOf(item.logit) / sum }));
  };
  const kept = share(settings.topK > 0 ? sorted.slice(0, settings.topK) : sorted);
  let seen = 0;
  const nucleus = kept.filter((item, index) => {
    const isIn = index === 0 || seen < settings.topP;
    seen += item.share;
    return isIn;
  });
  const [likeliest] = share(nucleus);
  const least = (settings.minP ?? 0) * (likeliest?.share ?? 0);
  const likely = share(nucleus).filter((item, index) => index === 0 || item.share >= least);
  return new Map(share(likely).map((item) => [item.id, item.share]));
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
    { temperature: 1, topK: 0, topP: 1, minP: 0.3 },
    { temperature: 2, topK: 0, topP: 1, minP: 0.3 },
    { temperature: 1, topK: 0, topP: 1, minP: 1 },
    { temperature: 1.3, topK: 0, topP: 0.9, minP: 0.25 },
    { temperature: 1.3, topK: 5, topP: 1, minP: 0.25 },
    { temperature: 1.3, topK: 5, topP: 0.9, minP: 0.1 },
    { temperature: 1.3, topK: 0, topP: 0.5, minP: 0.001 },
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

  it('draws exactly the tokens of the definition, vocabulary and settings at random', () => {
    const workspace = new SamplingWorkspace();
    for (let round = 0; round < 60; round += 1) {
      const random = (index: number): number => uniformOf(round, index);
      const size = 1 + Math.floor(3000 * random(0));
      // Coarse steps, so that many logits are equal.
      const large = Float32Array.from({ length: size }, (_, id) => {
        const logit = 12 * random(100 + id) ** 3;
        return round % 2 === 0 ? Math.round(logit * 4) / 4 : logit;
      });
      const settings = {
        temperature: 0.2 + 1.5 * random(1),
        topK: random(2) < 0.5 ? 0 : Math.ceil(60 * random(3)),
        topP: random(4) < 0.3 ? 1 : 0.01 + 0.98 * random(5),
        minP: random(6) < 0.5 ? 0 : 0.3 * random(7),
      };
      const shares = definedShares(large, settings);
      const order = [...shares.entries()].sort((a, b) => a[0] - b[0]);
      for (let index = 0; index < 30; index += 1) {
        const uniform = random(10_000 + index);
        const token = chooseToken(large, settings, uniform, workspace);
        let sum = 0;
        const wanted = order.find(([, share]) => (sum += share) > uniform);
        expect([round, token]).toEqual([round, wanted?.[0]]);
      }
    }
  });

  it('survives temperatures that overflow', () => {
    expect(chooseToken(logits, { ...GREEDY, temperature: 1e-30 }, 0.2)).toBe(1);
    expect([1, 3]).toContain(chooseToken(logits, { ...GREEDY, temperature: 1e-30 }, 0.9999));
  });

  it('leaves the likeliest token where top-p is too small to count, all equal or not', () => {
    for (const topP of [1e-9, 1e-17, 5e-324]) {
      const settings = { ...GREEDY, temperature: 1, topP };
      for (const uniform of [0, 0.5, 1 - 2 ** -53]) {
        expect(chooseToken(logits, settings, uniform)).toBe(1);
        expect(chooseToken(new Float32Array(5), settings, uniform)).toBe(0);
      }
    }
  });

  it('refuses logits that are not numbers', () => {
    expect(() => chooseToken(Float32Array.of(1, Number.NaN), GREEDY, 0)).toThrow(/NaN/);
    expect(() => chooseToken(Float32Array.of(Number.NaN, 1), GREEDY, 0)).toThrow(/token 0/);
    expect(() => chooseToken(Float32Array.of(1, Infinity), GREEDY, 0)).toThrow(/Infinity/);
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

  it('gives each sample of a seed numbers of its own, the first those of the seed', () => {
    expect(sampleSeed(7, 0)).toBe(7);
    const firsts = new Set<number>();
    for (let seed = 0; seed < 20; seed += 1) {
      for (let sample = 0; sample < 32; sample += 1) {
        firsts.add(uniformOf(sampleSeed(seed, sample), 0));
      }
    }
    expect(firsts.size).toBe(20 * 32);
  });

  it('uses the memory of its workspace again, whatever the vocabulary', () => {
    const workspace = new SamplingWorkspace();
    const settings = { temperature: 1, topK: 0, topP: 0.9 };
    for (const size of [50, 10, 200, 3]) {
      const values = Float32Array.from({ length: size }, (_, id) => uniformOf(size, id));
      const { ids } = workspace;
      expect(chooseToken(values, settings, 0.5, workspace)).toBe(
        chooseToken(values, settings, 0.5),
      );
      expect(workspace.ids === ids).toBe(ids.length >= size);
    }
  });
});

import { LogitRules } from './logit-rules';
import type { LogitRuleSettings } from './logit-rules';
import { uniformOf } from './sampling';

const NONE: LogitRuleSettings = {
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  bias: new Map(),
  ends: new Set(),
  minTokens: 0,
};

function applied(
  settings: Partial<LogitRuleSettings>,
  prompt: readonly number[],
  output: readonly number[],
  logits: readonly number[],
): number[] {
  const rules = new LogitRules({ ...NONE, ...settings }, prompt);
  for (const token of output) rules.push(token);
  const own = Float32Array.from(logits);
  rules.apply(own);
  return [...own];
}

/** The definitions one after the other, counted anew for each token of the vocabulary. */
function defined(
  settings: LogitRuleSettings,
  prompt: readonly number[],
  output: readonly number[],
  logits: readonly number[],
): number[] {
  return logits.map((raw, id) => {
    let logit = raw + (settings.bias.get(id) ?? 0);
    const count = output.filter((token) => token === id).length;
    if (count > 0 || prompt.includes(id)) {
      const penalty = settings.repetitionPenalty;
      logit = logit > 0 ? logit / penalty : logit * penalty;
    }
    logit -= settings.frequencyPenalty * count + (count > 0 ? settings.presencePenalty : 0);
    return output.length < settings.minTokens && settings.ends.has(id) ? -Infinity : logit;
  });
}

describe('rules over logits', () => {
  it('change nothing where nothing is asked for', () => {
    expect(applied({}, [0], [1, 1], [1, -2, 3])).toEqual([1, -2, 3]);
  });

  it('add a bias', () => {
    const bias = new Map([
      [0, 5],
      [2, -100],
      [99, 1],
    ]);
    expect(applied({ bias }, [], [], [1, 2, 3])).toEqual([6, 2, -97]);
  });

  it('lower what the prompt or the output has, whatever its sign', () => {
    const logits = [2, -2, 2, -2];
    expect(applied({ repetitionPenalty: 2 }, [0, 0, 99], [1], logits)).toEqual([1, -4, 2, -2]);
  });

  it('keep finite logits finite, however small the penalty', () => {
    for (const repetitionPenalty of [1e-38, 1e-60, 5e-324]) {
      const logits = applied({ repetitionPenalty }, [0, 1], [], [20, -20, 3]);
      expect(logits.every(Number.isFinite)).toBe(true);
      expect(logits[0]).toBeGreaterThan(1e38);
      expect(applied({ repetitionPenalty }, [0], [], [Infinity])).toEqual([Infinity]);
    }
  });

  it('take presence off once and frequency as often, of the output alone', () => {
    const logits = [1, 1, 1];
    expect(applied({ presencePenalty: 0.5 }, [0], [1, 1], logits)).toEqual([1, 0.5, 1]);
    expect(applied({ frequencyPenalty: 0.5 }, [0], [1, 1, 2], logits)).toEqual([1, 0, 0.5]);
    expect(applied({ frequencyPenalty: -2 }, [], [2], logits)).toEqual([1, 1, 3]);
  });

  it('rule the ends out until there are enough tokens', () => {
    const settings = { ends: new Set([1, 99]), minTokens: 2 };
    expect(applied(settings, [0], [0], [1, 2, 3])).toEqual([1, -Infinity, 3]);
    expect(applied(settings, [0], [0, 2], [1, 2, 3])).toEqual([1, 2, 3]);
  });

  it('agree with the definitions, tokens and settings at random', () => {
    const size = 40;
    for (let seed = 0; seed < 100; seed += 1) {
      const random = (index: number): number => uniformOf(seed, index);
      const tokens = (from: number, count: number): number[] =>
        Array.from({ length: count }, (_, index) => Math.floor(size * random(from + index)));
      const settings: LogitRuleSettings = {
        repetitionPenalty: random(0) < 0.3 ? 1 : 0.5 + random(1),
        presencePenalty: random(2) < 0.3 ? 0 : 4 * random(3) - 2,
        frequencyPenalty: random(4) < 0.3 ? 0 : 4 * random(5) - 2,
        bias: new Map(tokens(10, 5).map((id) => [id, 200 * random(20 + id) - 100])),
        ends: new Set(tokens(70, 2)),
        minTokens: Math.floor(20 * random(6)),
      };
      const prompt = tokens(100, Math.floor(20 * random(7)));
      const output = tokens(200, Math.floor(30 * random(8)));
      const logits = Array.from({ length: size }, (_, id) =>
        Math.fround(20 * random(300 + id) - 10),
      );
      const expected = defined(settings, prompt, output, logits);
      applied(settings, prompt, output, logits).forEach((logit, id) => {
        if (expected[id] === -Infinity) expect(logit).toBe(-Infinity);
        else expect(logit).toBeCloseTo(expected[id] as number, 4);
      });
    }
  });
});

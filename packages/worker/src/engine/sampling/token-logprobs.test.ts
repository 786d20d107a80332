import { SamplingWorkspace } from './sampling';
import { describeChoice } from './token-logprobs';

const textOf = (token: number): string => `<${token}>`;

function describeToken(logits: readonly number[], token: number, topCount: number) {
  const question = { logits: Float32Array.from(logits), token, topCount, textOf };
  return describeChoice(question, new SamplingWorkspace());
}

describe('log-probabilities', () => {
  it('are those of the whole distribution, the likeliest tokens first', () => {
    const logits = [1, 3, 2, 3, -1];
    const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
    const logprobOf = (id: number): number => Math.log(Math.exp(logits[id] as number) / sum);
    const described = describeToken(logits, 4, 3);
    expect(described).toMatchObject({ token: 4, text: '<4>' });
    expect(described.logprob).toBeCloseTo(logprobOf(4), 5);
    expect(described.top.map((item) => item.token)).toEqual([1, 3, 2]);
    for (const item of described.top) expect(item.logprob).toBeCloseTo(logprobOf(item.token), 5);
  });

  it('list no alternatives where none are asked for, and none that are ruled out', () => {
    expect(describeToken([1, 2], 0, 0).top).toEqual([]);
    expect(describeToken([-Infinity, 2, -Infinity], 1, 20)).toEqual({
      token: 1,
      text: '<1>',
      logprob: 0,
      top: [{ token: 1, text: '<1>', logprob: 0 }],
    });
  });

  it('keep their precision for logits far from zero', () => {
    expect(describeToken([50_000, 50_000], 0, 0).logprob).toBeCloseTo(Math.log(0.5), 5);
    expect(describeToken([-50_000, -50_001], 1, 0).logprob).toBeCloseTo(-1.313262, 5);
  });
});

import type { GenerateChunk } from './functions/function-types';
import { mergeChunks } from './merge-chunks';

const chunk = (index: number, ...tokens: number[]): GenerateChunk => ({
  index,
  text: tokens.map((token) => `t${token}`).join(''),
  tokens,
});
const logprobs = (token: number) => [{ token, text: 'x', logprob: -1, top: [] }];

describe('merging chunks', () => {
  const limits = { maxTokens: 3, maxBytes: 1000 };

  it('joins those that follow each other, up to the limit and the finish', () => {
    expect(mergeChunks([], limits)).toBeUndefined();
    const merged = mergeChunks([chunk(0, 1), chunk(1, 2, 3), chunk(3, 4)], limits);
    expect(merged).toEqual({ chunk: { index: 0, text: 't1t2t3', tokens: [1, 2, 3] }, count: 2 });
    const last = { ...chunk(1, 2), finishReason: 'length' as const };
    const more = mergeChunks([chunk(0, 1), last, chunk(2, 3)], limits);
    expect(more).toMatchObject({ chunk: { finishReason: 'length' }, count: 2 });
    expect(mergeChunks([chunk(0, 1), chunk(5, 2)], limits)?.count).toBe(1);
  });

  it('keeps below the bytes, but answers one chunk however large it is', () => {
    const small = { maxTokens: 100, maxBytes: 60 };
    expect(mergeChunks([chunk(0, 1), chunk(1, 2), chunk(2, 3)], small)?.count).toBe(2);
    expect(mergeChunks([chunk(0, 1, 2, 3, 4, 5)], small)?.count).toBe(1);
  });

  it('keeps the log-probabilities beside their tokens', () => {
    const first = { ...chunk(0, 1), logprobs: logprobs(1) };
    const next = { ...chunk(1, 2), logprobs: logprobs(2) };
    const merged = mergeChunks([first, next], limits)?.chunk;
    expect(merged?.logprobs).toEqual([...logprobs(1), ...logprobs(2)]);
  });
});

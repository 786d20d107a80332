import { TokenPace } from './token-pace';

function paceOf(...tokens: readonly (readonly [atMs: number, count: number])[]): TokenPace {
  const pace = new TokenPace();
  for (const [atMs, count] of tokens) pace.add(count, atMs);
  return pace;
}

it('is the mean time of the tokens after the first', () => {
  expect(paceOf([100, 1], [120, 1], [160, 1]).tokenMs).toBe(30);
  // Several that one run confirmed.
  expect(paceOf([100, 1], [140, 4]).tokenMs).toBe(10);
});

it('is unknown of fewer than two tokens', () => {
  expect(paceOf().tokenMs).toBeUndefined();
  expect(paceOf([100, 1]).tokenMs).toBeUndefined();
});

it('takes no notice of pieces without a token', () => {
  expect(paceOf([50, 0], [100, 1], [110, 1], [900, 0]).tokenMs).toBe(10);
});

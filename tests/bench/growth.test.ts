import { growthOf, median, quantile } from './growth';

const BOUND = { share: 0.1, amount: 5 };
const steady = (value: number): number[] => Array.from({ length: 40 }, () => value);

describe('growth', () => {
  it('does not count the warm-up of the first tenth', () => {
    const samples = [1, 1, 1, 1, ...steady(100)];
    expect(growthOf('x', samples, BOUND)).toMatchObject({ first: 100, last: 100, holds: true });
  });

  it('refuses a figure that rose by more than its bound', () => {
    const rising = Array.from({ length: 100 }, (_, index) => 100 + index);
    expect(growthOf('x', rising, BOUND)).toMatchObject({ holds: false });
  });

  it('forgives a single odd sample at the end', () => {
    expect(growthOf('x', [...steady(100), 900], BOUND)).toMatchObject({ holds: true });
  });

  it('says nothing of a run that is too short', () => {
    expect(growthOf('x', [1, 2, 3], BOUND)).toBeUndefined();
  });

  it('takes the nearest value for a quantile', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(quantile([5, 1, 2, 3, 4], 0.99)).toBe(5);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

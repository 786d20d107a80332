import { figureOf, ratios, tableOf } from './figures';

describe('figures', () => {
  it('are medians, with their spread and whether the goal is reached', () => {
    const goal = { kind: 'at-most', value: 5 } as const;
    const figure = figureOf({ name: 'x / y', unit: '×', rounds: [7, 4, 4.5678], goal });
    expect(figure).toMatchObject({ value: 4.57, goal: '≤ 5', holds: true, low: 4, high: 7 });
    const other = figureOf({
      name: 'x',
      unit: '×',
      rounds: [0.4],
      goal: { ...goal, kind: 'at-least' },
    });
    expect(other.holds).toBe(false);
  });

  it('without a goal always hold', () => {
    expect(figureOf({ name: 'x', unit: 'ms', rounds: [1234.5] })).toMatchObject({
      value: 1235,
      goal: null,
      holds: true,
    });
  });

  it('compare what ran in the same round', () => {
    expect(ratios([4, 9], [2, 3])).toEqual([2, 3]);
  });

  it('stand in a table', () => {
    const table = tableOf([figureOf({ name: 'x', unit: 'ms', rounds: [1, 2, 3] })]);
    expect(table.split('\n')).toEqual([
      'figure  median  lowest to highest  goal',
      'x       2 ms    1 to 3',
    ]);
  });
});

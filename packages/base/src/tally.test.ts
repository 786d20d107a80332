import { Tally } from './tally';

it('counts for each owner, and never below none', () => {
  const tally = new Tally<string>();
  tally.add('acme');
  tally.add('acme');
  tally.add('zenith');
  tally.remove('acme');
  tally.remove('zenith');
  tally.remove('zenith');
  expect([tally.of('acme'), tally.of('zenith'), tally.of('nobody')]).toEqual([1, 0, 0]);
  expect(tally.size).toBe(1);
  tally.add('zenith');
  expect([tally.of('zenith'), tally.size]).toEqual([1, 2]);
});

import { Load } from './load';

it('knows how many there are and what they weigh, of each owner and of all', () => {
  const load = new Load<string>();
  load.add('a', 3);
  load.add('a');
  load.add('b', 4);
  expect([load.count, load.countOf('a'), load.countOf('b'), load.countOf('c')]).toEqual([
    3, 2, 1, 0,
  ]);
  expect([load.weight, load.weightOf('a'), load.weightOf('b')]).toEqual([7, 3, 4]);
  load.remove('a', 3);
  expect([load.count, load.weight, load.countOf('a'), load.weightOf('a')]).toEqual([2, 4, 1, 0]);
});

it('tells everyone who waits once nothing is left, and at once where nothing is there', async () => {
  const load = new Load<string>();
  await load.none();
  load.add('a', 1);
  let told = 0;
  const waiting = [load.none(), load.none()].map((each) => each.then(() => (told += 1)));
  await Promise.resolve();
  expect(told).toBe(0);
  load.remove('a', 1);
  await Promise.all(waiting);
  expect(told).toBe(2);
});

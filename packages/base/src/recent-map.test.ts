import { RecentMap } from './recent-map';

function filled(maxEntries: number, ...keys: string[]): RecentMap<string, string> {
  const map = new RecentMap<string, string>(maxEntries);
  for (const key of keys) map.set(key, `value of ${key}`);
  return map;
}

it('forgets what was set longest ago', () => {
  const map = filled(2, 'a', 'b', 'c');
  expect([map.get('a'), map.get('b'), map.get('c')]).toEqual([
    undefined,
    'value of b',
    'value of c',
  ]);
  expect(map.size).toBe(2);
});

it('keeps longer what is set again, not what is read', () => {
  const map = filled(2, 'a', 'b', 'a');
  map.get('b');
  map.set('c', 'new');
  expect([map.get('a'), map.get('b'), map.get('c')]).toEqual(['value of a', undefined, 'new']);
});

it('goes on in order after deletes at its front, its end and in between', () => {
  const map = filled(4, 'a', 'b', 'c', 'd');
  for (const key of ['a', 'd', 'c', 'never']) map.delete(key);
  for (const key of ['e', 'f', 'g', 'h']) map.set(key, key);
  expect(['b', 'e', 'f', 'g', 'h'].filter((key) => map.get(key) !== undefined)).toEqual([
    'e',
    'f',
    'g',
    'h',
  ]);
  expect(map.size).toBe(4);
});

it('holds one entry, or none', () => {
  const map = filled(1, 'a', 'b');
  map.delete('b');
  expect(map.size).toBe(0);
  map.set('c', 'c');
  expect(map.get('c')).toBe('c');
});

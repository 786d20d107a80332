import { BucketRows } from './bucket-rows';

it('holds no more rows and no more bytes than it may, and says which it left out', () => {
  const rows = new BucketRows<string>({ rows: 3, bytes: 100 });
  expect([rows.set('a', '1', 49), rows.set('b', '2', 49), rows.set('c', '3', 0)]).toEqual([
    true,
    true,
    false,
  ]);
  expect(rows.bytes).toBe(100);
  rows.delete('a');
  rows.delete('none');
  expect([rows.set('c', '3', 0), rows.set('d', '4', 0), rows.set('e', '5', 0)]).toEqual([
    true,
    true,
    false,
  ]);
  expect([...rows.all]).toEqual([
    ['b', '2'],
    ['c', '3'],
    ['d', '4'],
  ]);
  expect(rows.bytes).toBe(52);
});

it('gives a row that grows beyond the room up, rather than what it was before', () => {
  const rows = new BucketRows<string>({ rows: 2, bytes: 100 });
  rows.set('a', 'old', 50);
  expect(rows.set('a', 'new', 99)).toBe(true);
  expect(rows.set('a', 'newer', 100)).toBe(false);
  expect([[...rows.all], rows.bytes]).toEqual([[], 0]);
});

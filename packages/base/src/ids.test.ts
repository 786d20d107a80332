import { quoteShort } from './ids';

it('quotes values of any depth and length, cut to what a message can hold', () => {
  const deep = JSON.parse('['.repeat(30_000) + ']'.repeat(30_000)) as unknown;
  expect(quoteShort(deep)).toBe('a list too deep to show');
  expect(quoteShort({ deep })).toBe('a value that can’t be shown');
  expect(quoteShort(1n)).toBe('a value that can’t be shown');
  expect(quoteShort('a"\n')).toBe('"a\\"\\n"');
  expect(quoteShort('x'.repeat(5_000))).toHaveLength(83);
  expect([NaN, -Infinity, 1.5].map(quoteShort)).toEqual(['NaN', '-Infinity', '1.5']);
  expect(quoteShort(undefined)).toBe('undefined');
});

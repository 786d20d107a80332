import { cutText, ownText } from './own-text';
import { HARDLY_ANY_BYTES, heldBytesOf } from './testing';
import { quoteShort } from './ids';

const cut = (huge: string): string => huge.slice(100, 126);

it('holds nothing of the text that it was cut from', async () => {
  // What it is for: V8 does so otherwise. (What else is freed meanwhile makes it less than it is.)
  expect(await heldBytesOf(cut)).toBeGreaterThan(2 * HARDLY_ANY_BYTES);
  expect(await heldBytesOf((huge) => ownText(cut(huge)))).toBeLessThan(HARDLY_ANY_BYTES);
  expect(await heldBytesOf((huge) => cutText(huge, 500))).toBeLessThan(HARDLY_ANY_BYTES);
  expect(['abc', 'abcd', ''].map((text) => cutText(text, 3))).toEqual(['abc', 'abc', '']);
  expect(ownText('t'.repeat(26))).toBe('t'.repeat(26));
  expect(ownText('short')).toBe('short');
  expect(ownText('')).toBe('');
});

it('is what a foreign value in a message is', async () => {
  expect(await heldBytesOf((huge) => quoteShort(huge))).toBeLessThan(HARDLY_ANY_BYTES);
  expect(await heldBytesOf((huge) => quoteShort([huge]))).toBeLessThan(HARDLY_ANY_BYTES);
});

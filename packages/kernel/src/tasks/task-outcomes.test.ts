import { HARDLY_ANY_BYTES, heldBytesOf } from '@llmos/base/testing';
import { shorten } from './task-outcomes';

it('cuts a message, and holds nothing of what it left out', async () => {
  expect([shorten('abc', 3), shorten('abcd', 3)]).toEqual(['abc', 'abc…']);
  expect(shorten(shorten('abcd', 3), 3)).toBe('abc…');
  expect(await heldBytesOf((huge) => shorten(huge))).toBeLessThan(HARDLY_ANY_BYTES);
});

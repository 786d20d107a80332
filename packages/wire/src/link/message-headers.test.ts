import { HARDLY_ANY_BYTES, heldBytesOf } from '@llmos/base/testing';
import { readHeaders } from './message-headers';

it('holds nothing of the headers beside the one that was read', async () => {
  const header = (huge: string): string | undefined =>
    readHeaders(() => [['Llmos-Id', [huge.slice(100, 126)]]]).get('llmos-id');
  expect(await heldBytesOf(header)).toBeLessThan(HARDLY_ANY_BYTES);
});

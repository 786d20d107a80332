import { ownText } from './own-text';
import { collectGarbage } from './testing';
import { quoteShort } from './ids';
import { readHeaders } from './adapters/nats/message-headers';

const HUGE = 1_000_000;
const COUNT = 100;
/** The last of them may be on the stack still. */
const HARDLY_ANY = 10 * HUGE;

/** Bytes of the heap that a hundred of them hold, each of a foreign text of a megabyte. */
async function heldBytesOf(make: (huge: string) => unknown): Promise<number> {
  const held: unknown[] = [];
  await collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < COUNT; n += 1) held.push(make(Buffer.alloc(HUGE, 'x').toString('latin1')));
  await collectGarbage();
  const bytes = process.memoryUsage().heapUsed - before;
  expect(held).toHaveLength(COUNT);
  return bytes;
}

const cut = (huge: string): string => huge.slice(100, 126);

it('holds nothing of the text that it was cut from', async () => {
  // What it is for: V8 does so otherwise.
  expect(await heldBytesOf(cut)).toBeGreaterThan((COUNT * HUGE) / 2);
  expect(await heldBytesOf((huge) => ownText(cut(huge)))).toBeLessThan(HARDLY_ANY);
  expect(ownText('t'.repeat(26))).toBe('t'.repeat(26));
  expect(ownText('short')).toBe('short');
  expect(ownText('')).toBe('');
});

it('is what a header is read as, and a foreign value in a message', async () => {
  const header = (huge: string): string | undefined =>
    readHeaders(() => [['Llmos-Id', [cut(huge)]]]).get('llmos-id');
  expect(await heldBytesOf(header)).toBeLessThan(HARDLY_ANY);
  expect(await heldBytesOf((huge) => quoteShort(huge))).toBeLessThan(HARDLY_ANY);
  expect(await heldBytesOf((huge) => quoteShort([huge]))).toBeLessThan(HARDLY_ANY);
});

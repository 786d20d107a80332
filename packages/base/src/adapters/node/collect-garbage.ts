/** For tests of what is held. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What is not held any more is gone from the heap, and from each WeakRef. */
export async function collectGarbage(): Promise<void> {
  // A WeakRef that was made or read in this turn is held until its end.
  await new Promise((resolve) => setImmediate(resolve));
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** Of a foreign text, of which a part is to be kept. */
const HUGE_CHARS = 1_000_000;
const COUNT = 100;
/** The last texts may be on the stack still. */
export const HARDLY_ANY_BYTES = 10 * HUGE_CHARS;

/** Bytes of the heap that a hundred of them hold, each made of a huge text of its own. */
export async function heldBytesOf(make: (huge: string) => unknown): Promise<number> {
  const held: unknown[] = [];
  await collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < COUNT; n += 1) {
    held.push(make(Buffer.alloc(HUGE_CHARS, 'x').toString('latin1')));
  }
  await collectGarbage();
  const bytes = process.memoryUsage().heapUsed - before;
  return held.length === COUNT ? bytes : Number.NaN;
}

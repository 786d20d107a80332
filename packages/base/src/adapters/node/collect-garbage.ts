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

/**
 * Ends work on the thread that does it: a regular expression of a stranger may look for ever, and
 * hears nothing meanwhile. A limit costs some 50 µs each time.
 */
import { Script, createContext } from 'node:vm';
import { isRecord } from '@llmos/base';

const script = new Script('work()', { filename: 'time-limit' });
const context = createContext({}) as { work?: () => void };

export class OutOfTime extends Error {}

/** Throws OutOfTime where the work is not done by then, and what the work throws. */
export function withinTime<T>(limitMs: number, work: () => T): T {
  const done: { value?: T } = {};
  context.work = () => {
    done.value = work();
  };
  try {
    script.runInContext(context, { timeout: limitMs });
  } catch (thrown) {
    if (isRecord(thrown) && thrown['code'] === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new OutOfTime();
    throw thrown;
  } finally {
    delete context.work;
  }
  return done.value as T;
}

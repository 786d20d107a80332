/**
 * For tests: collects the garbage of this thread, and, where it is preloaded into another thread
 * of the program, of that thread when it is asked.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

const NAME = 'collect-garbage';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Of this thread, and of the one other that has this file preloaded. */
export async function collectEverywhere(): Promise<void> {
  const channel = new BroadcastChannel(NAME);
  const answered = new Promise<void>((resolve) => (channel.onmessage = () => resolve()));
  channel.postMessage('collect');
  await answered;
  channel.close();
  collect();
}

if (!isMainThread) {
  const channel = new BroadcastChannel(NAME);
  channel.onmessage = () => {
    collect();
    channel.postMessage('collected');
  };
  channel.unref();
}

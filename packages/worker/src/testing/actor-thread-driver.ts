/**
 * Program for tests: an actor thread in an OS process of its own, spoken to over IPC. ONNX Runtime
 * does not load inside a test runner's realm, and a native crash must not take the tests along.
 */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { FromThread, ThreadRole, ToThread } from '../actors/thread-protocol';
import { collectEverywhere } from './garbage';

const role: ThreadRole = { role: 'llmos-actor-thread', name: 'driven' };
const worker = new Worker(join(__dirname, '..', 'actors', 'actor-thread.js'), {
  workerData: role,
  execArgv: ['--require', join(__dirname, 'garbage.js')],
});

worker.on('message', (message: FromThread) => process.send?.(message));
worker.on('exit', () => process.disconnect?.());
process.on('message', (message: ToThread | 'collect') => {
  if (message === 'collect') void collectEverywhere().then(() => process.send?.('collected'));
  else worker.postMessage(message);
});
process.on('disconnect', () => process.exit(0));

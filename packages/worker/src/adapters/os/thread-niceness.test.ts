import { once } from 'node:events';
import { getPriority } from 'node:os';
import { Worker } from 'node:worker_threads';

/** In a thread of its own; asks the system what it thinks of that thread. */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const { readlinkSync } = require('node:fs');
const { getPriority } = require('node:os');
const isBehind = require(workerData).standBehind(7);
const threadId = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
parentPort.postMessage({ isBehind, niceness: getPriority(threadId) });`;

(process.platform === 'linux' ? it : it.skip)(
  'a thread stands behind the others, alone',
  async () => {
    const before = getPriority();
    const workerData = require.resolve('../../../dist/adapters/os/thread-niceness.js');
    const worker = new Worker(PROGRAM, { eval: true, workerData });
    expect(await once(worker, 'message')).toEqual([{ isBehind: true, niceness: 7 }]);
    await worker.terminate();
    expect(getPriority()).toBe(before);
  },
);

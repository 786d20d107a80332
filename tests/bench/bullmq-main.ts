/** The other OS process of the BullMQ figures: a worker that answers each job with its input. */
import type { BullmqWorkerArgs } from './bullmq-echo';
import { QUEUE, loadBullmq } from './bullmq-echo';

async function main(): Promise<void> {
  const { folder, port, concurrency } = JSON.parse(process.argv[2] ?? '') as BullmqWorkerArgs;
  const { Worker } = loadBullmq(folder);
  const worker = new Worker(QUEUE, (job) => Promise.resolve(job.data), {
    connection: { host: '127.0.0.1', port, maxRetriesPerRequest: null },
    concurrency,
  });
  await worker.waitUntilReady();
  process.on('disconnect', () => process.exit(0));
  process.send?.('ready');
}

void main();

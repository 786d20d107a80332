/**
 * The best direct arrangement of onnxruntime-node on two cores: two runners of one thread each, and
 * callers whose sentences wait together; an idle runner takes those of like length.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { DirectAnswer, DirectRequest } from './direct-thread';

export interface DirectEmbed {
  embed(text: string): Promise<Float32Array>;
  stop(): Promise<void>;
}

interface Waiting {
  readonly text: string;
  readonly resolve: (embedding: Float32Array) => void;
}

export async function startDirectEmbed(of: {
  readonly folder: string;
  readonly runners: number;
  readonly maxBatch: number;
}): Promise<DirectEmbed> {
  const file = join(__dirname, 'direct-thread.js');
  const threads = Array.from(
    { length: of.runners },
    () => new Worker(file, { workerData: of.folder }),
  );
  await Promise.all(threads.map((thread) => once(thread, 'message')));
  const idle = [...threads];
  let waiting: Waiting[] = [];
  let isDue = false;

  const pump = (): void => {
    isDue = false;
    for (let thread = idle.pop(); thread !== undefined; thread = idle.pop()) {
      if (waiting.length === 0) return void idle.push(thread);
      // The oldest leads; its mates are those nearest in length.
      const [leader = waiting[0]] = waiting;
      const distance = (one: Waiting): number =>
        Math.abs(one.text.length - (leader?.text.length ?? 0));
      const sorted = waiting.toSorted((a, b) => distance(a) - distance(b));
      const share = Math.ceil(waiting.length / (idle.length + 1));
      const batch = sorted.slice(0, Math.min(of.maxBatch, share));
      waiting = waiting.filter((one) => !batch.includes(one));
      void run(thread, batch);
    }
  };
  const run = async (thread: Worker, batch: readonly Waiting[]): Promise<void> => {
    const request: DirectRequest = { texts: batch.map((one) => one.text) };
    thread.postMessage(request);
    const [answer] = (await once(thread, 'message')) as [DirectAnswer];
    const width = answer.embeddings.length / batch.length;
    batch.forEach((one, row) =>
      one.resolve(answer.embeddings.subarray(row * width, (row + 1) * width)),
    );
    idle.push(thread);
    pumpSoon();
  };
  const pumpSoon = (): void => {
    if (isDue) return;
    isDue = true;
    setImmediate(pump);
  };
  return {
    embed: (text) =>
      new Promise((resolve) => {
        waiting.push({ text, resolve });
        pumpSoon();
      }),
    stop: async () => void (await Promise.all(threads.map((thread) => thread.terminate()))),
  };
}

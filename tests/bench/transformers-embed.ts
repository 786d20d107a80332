/** Runs @huggingface/transformers in its own process, where it is installed. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TransformersRequest } from './transformers-main';

export interface TransformersEmbed {
  /** Sentences a second. */
  run(request: TransformersRequest): Promise<number>;
  stop(): Promise<void>;
}

export async function startTransformers(folder: string): Promise<TransformersEmbed> {
  const child = fork(join(__dirname, 'transformers-main.js'), [folder]);
  const exited = once(child, 'exit');
  const failed = exited.then(([code]) => {
    throw new Error(`transformers.js ended with ${String(code)}`);
  });
  failed.catch(() => undefined);
  await Promise.race([once(child, 'message'), failed]);
  return {
    run: async (request) => {
      const answer = once(child, 'message');
      child.send(request);
      const [perSecond] = (await Promise.race([answer, failed])) as [number];
      return perSecond;
    },
    stop: async () => {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

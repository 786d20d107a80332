/** Installs @huggingface/transformers into the cache, once, and runs it in its own process. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { benchCache, installLibrary } from './install-library';
import type { TransformersRequest } from './transformers-main';

export interface TransformersEmbed {
  /** Sentences a second. */
  run(request: TransformersRequest): Promise<number>;
  stop(): Promise<void>;
}

/** Pinned, and not among the dependencies: it weighs more than the rest of the project. */
const PACKAGES = { '@huggingface/transformers': '4.3.1' } as const;

/** Answers the folder whose node_modules hold it. */
export async function installTransformers(): Promise<string> {
  await installLibrary(benchCache, PACKAGES);
  return benchCache;
}

export async function startTransformers(folder: string): Promise<TransformersEmbed> {
  const child = fork(join(__dirname, 'transformers-main.js'), [
    folder,
    await installTransformers(),
  ]);
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

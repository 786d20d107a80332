/** Installs @huggingface/transformers into the cache, once, and runs it in its own process. */
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repositoryFolder } from '../support/shared-folder';
import type { TransformersRequest } from './transformers-main';

export interface TransformersEmbed {
  /** Sentences a second. */
  run(request: TransformersRequest): Promise<number>;
  stop(): Promise<void>;
}

/** Pinned, and not among the dependencies: it weighs more than the rest of the project. */
const PACKAGE = '@huggingface/transformers@4.3.1';
const INSTALL_MS = 5 * 60_000;

/** Answers the folder whose node_modules hold it. */
export async function installTransformers(): Promise<string> {
  const folder = join(repositoryFolder, '.cache', 'bench');
  if (existsSync(join(folder, 'node_modules', '@huggingface', 'transformers'))) return folder;
  process.stderr.write(`installing ${PACKAGE} into .cache/bench …\n`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact', PACKAGE];
  await promisify(execFile)('npm', args, { cwd: folder, timeout: INSTALL_MS });
  return folder;
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

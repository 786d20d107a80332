/** From `llmos up` to the first result: with an empty data folder, and with the one it left. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@llmos/sdk';
import { repositoryFolder } from '../support/shared-folder';
import type { Figure } from './figures';
import { figureOf } from './figures';

const COMMAND = join(repositoryFolder, 'packages', 'cli', 'bin', 'llmos.js');
const READY = /^llmos ready nats=(\S+)/m;

export async function benchStartup(of: { readonly rounds: number }): Promise<readonly Figure[]> {
  const cold: number[] = [];
  const warm: number[] = [];
  for (let round = 0; round < of.rounds; round += 1) {
    const folder = mkdtempSync(join(tmpdir(), 'llmos-bench-up-'));
    try {
      cold.push(await secondsToFirstResult(folder));
      warm.push(await secondsToFirstResult(folder));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const unit = 's';
  return [
    figureOf({ name: 'llmos up to the first embedding, cold', unit, rounds: cold }),
    figureOf({ name: 'llmos up to the first embedding, warm', unit, rounds: warm }),
  ];
}

async function secondsToFirstResult(folder: string): Promise<number> {
  const startMs = performance.now();
  const child = spawn(process.execPath, [COMMAND, 'up', '--data', folder], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(child, 'exit');
  try {
    const natsUrl = await readyUrl(child.stdout);
    const os = await connect({ servers: natsUrl });
    await os.embed({ model: 'mini-encoder', text: 'good morning' });
    const seconds = (performance.now() - startMs) / 1000;
    await os.close();
    return seconds;
  } finally {
    child.kill('SIGTERM');
    await exited;
  }
}

async function readyUrl(output: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const part of output) {
    text += part.toString();
    const url = READY.exec(text)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error(`llmos up ended: ${text}`);
}

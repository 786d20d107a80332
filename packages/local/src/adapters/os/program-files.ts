/** The built programs that a system consists of. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LlmosError } from '@llmos/base';

export interface ProgramFiles {
  readonly kernel: string;
  readonly worker: string;
  readonly natsWatchdog: string;
}

/** Throws FAILED_PRECONDITION where the checkout is not built. */
export function programFiles(): ProgramFiles {
  const files: ProgramFiles = {
    kernel: distFile('@llmos/kernel', 'main.js'),
    worker: distFile('@llmos/worker', 'node-agent-main.js'),
    natsWatchdog: join(packageFolder(__dirname), 'dist', 'adapters', 'os', 'nats-watchdog-main.js'),
  };
  const missing = Object.values<string>({ ...files }).find((file) => !existsSync(file));
  if (missing === undefined) return files;
  throw notBuilt(missing);
}

/** The package's entry is `…/dist/index.js`, and under test `…/src/index.ts`. */
function distFile(packageName: string, file: string): string {
  let entry: string;
  try {
    entry = require.resolve(packageName);
  } catch {
    throw notBuilt(packageName);
  }
  return join(dirname(dirname(entry)), 'dist', file);
}

function notBuilt(what: string): LlmosError {
  return new LlmosError('FAILED_PRECONDITION', `${what} is not built; run: npm run build`);
}

function packageFolder(from: string): string {
  return dirname(dirname(dirname(from)));
}

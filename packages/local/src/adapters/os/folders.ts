/** Where llmos keeps its files: below the checkout while one is around, else in the home folder. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

const CHECKOUT_NAME = 'llmos-monorepo';

/** The checkout that this code runs in, or undefined where it was installed as a package. */
function checkoutFolder(from: string = __dirname): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && nameIn(manifest) === CHECKOUT_NAME) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

function nameIn(manifest: string): unknown {
  try {
    return (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: unknown }).name;
  } catch {
    return undefined;
  }
}

/** Files that can be made again, such as a downloaded NATS server. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const checkout = checkoutFolder();
  if (checkout !== undefined) return join(checkout, '.cache');
  return join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'llmos');
}

/** Where `llmos up` keeps its state unless told otherwise. */
export function defaultStateFolder(env: NodeJS.ProcessEnv = process.env): string {
  const checkout = checkoutFolder();
  if (checkout !== undefined) return join(checkout, '.cache', 'llmos');
  return join(env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'llmos');
}

/** The models that ship with the checkout, where there is one. */
export function shippedModelsFolder(): string | undefined {
  const checkout = checkoutFolder();
  if (checkout === undefined) return undefined;
  const folder = join(checkout, 'models');
  return existsSync(folder) ? folder : undefined;
}

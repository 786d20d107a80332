/** Installs what llmos is compared with into the bench's cache, each once, without its scripts. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repositoryFolder } from '../support/shared-folder';

export const benchCache = join(repositoryFolder, '.cache', 'bench');

const INSTALL_MS = 5 * 60_000;

/**
 * @param folder its node_modules will hold them; of its own for what is installed together.
 * @param packages name and exact version of each; what one of them is, decides for all.
 */
export async function installLibrary(
  folder: string,
  packages: Readonly<Record<string, string>>,
  options: readonly string[] = [],
): Promise<void> {
  const names = Object.keys(packages);
  const isThere = (name: string): boolean =>
    existsSync(join(folder, 'node_modules', name, 'package.json'));
  if (names.every(isThere)) return;
  const exact = Object.entries(packages).map(([name, version]) => `${name}@${version}`);
  process.stderr.write(`installing ${exact.join(' and ')} into .cache/bench …\n`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const fixed = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact'];
  const args = [...fixed, ...options, ...exact];
  await promisify(execFile)('npm', args, { cwd: folder, timeout: INSTALL_MS });
}

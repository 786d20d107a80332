/**
 * The optional folder with more models and data beside the checkout: `LLMOS_SHARED`, else
 * `../shared`. Tests that need it skip where it is absent, and say so.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Found the same way from the sources and from tests/dist. */
export const repositoryFolder = folderAbove(__dirname);

function folderAbove(folder: string): string {
  if (existsSync(join(folder, 'package-lock.json'))) return folder;
  const above = resolve(folder, '..');
  if (above === folder) throw new Error(`${__dirname} is not below a repository`);
  return folderAbove(above);
}

export function sharedFolder(...below: readonly string[]): string | undefined {
  const root = process.env['LLMOS_SHARED'] ?? join(repositoryFolder, '..', 'shared');
  const folder = join(root, ...below);
  return existsSync(folder) ? folder : undefined;
}

/** A `describe` that runs only where `shared/<below>` exists; its body gets that folder. */
export function describeWithShared(
  name: string,
  below: string,
  body: (folder: string) => void,
): void {
  const folder = sharedFolder(below);
  if (folder !== undefined) {
    describe(name, () => body(folder));
    return;
  }
  describe(name, () => {
    it.skip(`needs shared/${below}, which is absent`, () => undefined);
  });
}

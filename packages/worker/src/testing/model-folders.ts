/** For tests: where the models are. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

const repository = resolve(__dirname, '..', '..', '..', '..');

/** A model that ships with the project. */
export function shippedModel(name: string): string {
  return join(repository, 'models', name);
}

/** A model of the optional folder beside the checkout; undefined where that is absent. */
export function sharedModel(name: string): string | undefined {
  const root = process.env['LLMOS_SHARED'] ?? join(repository, '..', 'shared');
  const folder = join(root, 'models', name);
  return existsSync(folder) ? folder : undefined;
}

/** A test that needs a shared model, or one that says that it was skipped. */
export function itWithShared(name: string, model: string, body: (folder: string) => Promise<void>) {
  const folder = sharedModel(model);
  if (folder === undefined) it.skip(`${name} (needs shared/models/${model})`, () => undefined);
  else it(name, () => body(folder));
}

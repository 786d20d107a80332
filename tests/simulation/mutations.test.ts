import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryFolder } from '../support/shared-folder';
import { MUTATIONS } from './mutations';

it('names places of the code that are there, each once', () => {
  const misfits = MUTATIONS.filter((mutation) => {
    const folder = join(repositoryFolder, 'packages', mutation.package);
    const source = join(folder, 'src', mutation.file.replace(/\.js$/, '.ts'));
    if (!existsSync(source)) return true;
    const compiled = readFileSync(join(folder, 'dist', mutation.file), 'utf8');
    return compiled.split(mutation.find).length !== 2;
  });
  expect(misfits.map(({ name }) => name)).toEqual([]);
});

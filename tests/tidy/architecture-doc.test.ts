/**
 * ARCHITECTURE.md leads to files that are there: each file or folder that it names exists, and each
 * package has its line in the map. A name without a folder is that of exactly one source file.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { repositoryFolder } from '../support/shared-folder';
import { filesBelow } from './source-files';

/** What each package has one of, and the map speaks of together. */
const EACH_PACKAGE = new Set(['limits.ts', 'codec.ts']);

const text = readFileSync(join(repositoryFolder, 'ARCHITECTURE.md'), 'utf8');
const paths = ['packages', 'tests', 'proto'].flatMap((folder) =>
  filesBelow(folder, ['.ts']).map(({ path }) => path),
);

/** `{submit,call}-service.ts` is two names, `unreadable-*.test.ts` one with any text in its place. */
function named(): string[] {
  const spans = [...text.matchAll(/`([^`\s]+)`/g)].map(([, span = '']) => span);
  return spans
    .filter((span) => /\.ts$/.test(span) || /^[a-z]+(\/[a-z-]+)*\/$/.test(span))
    .flatMap((span) => {
      const braces = /\{(.*)\}/.exec(span);
      return braces === null
        ? [span]
        : (braces[1] ?? '').split(',').map((one) => span.replace(braces[0], one));
    });
}

function placesOf(name: string): string[] {
  if (name.endsWith('/')) {
    const folder = name.slice(0, -1);
    const found = paths
      .map((path) => posix.dirname(path))
      .filter((of) => `/${of}`.endsWith(`/${folder}`) || `/${of}/`.includes(`/${folder}/`));
    return existsSync(join(repositoryFolder, folder)) ? [folder] : [...new Set(found)];
  }
  const pattern = new RegExp(`(^|/)${name.replaceAll('.', '\\.').replaceAll('*', '[a-z-]+')}$`);
  return paths.filter((path) => pattern.test(path) || pattern.test(path.replace('/src/', '/')));
}

it('names files and folders that exist', () => {
  expect(named().length).toBeGreaterThan(50);
  expect(named().filter((name) => placesOf(name).length === 0)).toEqual([]);
});

it('says enough of a file that it is one', () => {
  const manyOf = named().filter(
    (name) => !EACH_PACKAGE.has(name) && !/\/$|\*/.test(name) && placesOf(name).length > 1,
  );
  expect(manyOf.map((name) => [name, placesOf(name)])).toEqual([]);
});

it('has a line for each package', () => {
  const packages = readdirSync(join(repositoryFolder, 'packages'));
  expect(packages.filter((name) => !text.includes(`\npackages/${name} `))).toEqual([]);
});

import { posix } from 'node:path';
import { AREAS, DOORS, MORE_ENTRIES, entryOf } from './import-table';
import type { Area } from './import-table';
import { filesBelow, importsOf, isTestFile } from './source-files';
import type { SourceFile } from './source-files';

const sources = filesBelow('packages', ['.ts']);
const paths = new Set(sources.map((file) => file.path));

function areaOf(path: string): Area | undefined {
  return AREAS.find((area) => area.files.test(path.replace(/\.ts$/, '')));
}

/** The file that a relative import names, without `.ts`. */
function resolveRelative(from: string, name: string): string {
  const joined = posix.join(posix.dirname(from), name);
  return paths.has(`${joined}/index.ts`) ? `${joined}/index` : joined;
}

function violationOf(file: SourceFile, area: Area, name: string): string | undefined {
  const refuse = (why: string): string => `${file.path} imports ${name}: ${why}`;
  if (name.startsWith('.')) {
    const target = areaOf(resolveRelative(file.path, name));
    if (target === undefined) return refuse('it belongs to no area of import-table.ts');
    const isAllowed = target === area || area.mayImport.includes(target.name);
    return isAllowed ? undefined : refuse(`${area.name} may not import ${target.name}`);
  }
  if (name.startsWith('@llmos/')) {
    const [, packageName = '', below] = name.split('/');
    if (below !== undefined && !MORE_ENTRIES.includes(name)) {
      return refuse('only the entry of a package may be imported');
    }
    const entry = entryOf(packageName);
    return area.mayImport.includes(entry)
      ? undefined
      : refuse(`${area.name} may not import ${entry}`);
  }
  if (area.outside === 'any' || area.outside.includes(name)) return undefined;
  return refuse(`${area.name} may import nothing from outside but [${area.outside.join(', ')}]`);
}

function isBelowEntry(name: string): boolean {
  return /^@llmos\/[^/]+\/(?!testing$)/.test(name) && !MORE_ENTRIES.includes(name);
}

describe('imports point inward', () => {
  it('finds the sources', () => {
    expect(sources.length).toBeGreaterThan(20);
  });

  it('gives every source file an area', () => {
    const homeless = sources.filter((file) => areaOf(file.path) === undefined);
    expect(homeless.map((file) => file.path)).toEqual([]);
  });

  it('lets every area import only what the table says', () => {
    const violations = sources
      .filter((file) => !isTestFile(file.path))
      .flatMap((file) => {
        const area = areaOf(file.path);
        if (area === undefined) return [];
        return importsOf(file).map((name) => violationOf(file, area, name));
      })
      .filter((violation) => violation !== undefined);
    expect(violations).toEqual([]);
  });

  it.each(DOORS)('lets nothing but $area import $outside', ({ outside, area }) => {
    const others = sources.filter(
      (file) => areaOf(file.path)?.name !== area && importsOf(file).includes(outside),
    );
    expect(others.map((file) => file.path)).toEqual([]);
  });

  it('lets tests import only "." and "./testing" of a package', () => {
    const deep = filesBelow('tests', ['.ts']).flatMap((file) =>
      importsOf(file)
        .filter((name) => /packages\//.test(name) || isBelowEntry(name))
        .map((name) => `${file.path} imports ${name}`),
    );
    expect(deep).toEqual([]);
  });

  it('names only areas that exist', () => {
    const names = new Set(AREAS.map((area) => area.name));
    const unknown = AREAS.flatMap((area) => area.mayImport.filter((name) => !names.has(name)));
    expect(unknown).toEqual([]);
  });
});

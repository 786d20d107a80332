import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryFolder } from '../support/shared-folder';
import { declaredNamesOf, filesBelow, functionsOf, isTestFile } from './source-files';

const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 70;
const MAX_COLUMNS = 100;
/** Words that say nothing (STYLE, Words); `I` prefixes as in IThing. */
const EMPTY_WORDS = /(Manager|Helper|Helpers|Util|Utils|Impl)$|^I[A-Z][a-z]/;
const EMPTY_FILE_WORDS = /(^|-)(manager|helpers?|utils?|impl|misc|common)(-|\.|$)/;

const packageSources = filesBelow('packages', ['.ts']).filter((file) => !isTestFile(file.path));
const allSources = [...filesBelow('packages', ['.ts']), ...filesBelow('tests', ['.ts'])];
const written = [
  ...allSources,
  ...filesBelow('scripts', ['.mjs']),
  ...filesBelow('proto', ['.proto']),
  ...filesBelow('deploy', ['', 'Dockerfile']),
];

describe('the tree stays readable', () => {
  it(`keeps every source file within ${MAX_FILE_LINES} lines`, () => {
    const long = packageSources
      .map((file) => ({ path: file.path, lines: file.text.trimEnd().split('\n').length }))
      .filter((file) => file.lines > MAX_FILE_LINES);
    expect(long).toEqual([]);
  });

  it(`keeps every function within ${MAX_FUNCTION_LINES} lines`, () => {
    const long = packageSources.flatMap((file) =>
      functionsOf(file)
        .filter((found) => found.lines > MAX_FUNCTION_LINES)
        .map((found) => `${file.path}:${found.line} ${found.name}: ${found.lines} lines`),
    );
    expect(long).toEqual([]);
  });

  it(`keeps every line within ${MAX_COLUMNS} columns, save what can't be broken`, () => {
    const wide = allSources.flatMap((file) =>
      file.text.split('\n').flatMap((line, index) => {
        const isUnbreakable = /['"`\/]/.test(line);
        return line.length > MAX_COLUMNS && !isUnbreakable ? [`${file.path}:${index + 1}`] : [];
      }),
    );
    expect(wide).toEqual([]);
  });

  it('names nothing by a word that says nothing', () => {
    const empty = packageSources.flatMap((file) =>
      declaredNamesOf(file)
        .filter((name) => EMPTY_WORDS.test(name))
        .map((name) => `${file.path}: ${name}`),
    );
    const files = allSources.filter((file) =>
      EMPTY_FILE_WORDS.test(file.path.split('/').at(-1) ?? ''),
    );
    expect([...empty, ...files.map((file) => file.path)]).toEqual([]);
  });

  it('names files in kebab-case', () => {
    const names = allSources.filter(
      (file) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/.test(file.path.split('/').at(-1) ?? ''),
    );
    expect(names.map((file) => file.path)).toEqual([]);
  });

  it('leaves no note of unfinished work', () => {
    const marks = new RegExp(`\\b(${['TO', 'FIX', 'XX'].join('|')})(DO|ME|X)\\b`);
    const found = written.filter((file) => marks.test(file.text)).map((file) => file.path);
    expect(found).toEqual([]);
  });

  it('names no package registry', () => {
    // The words that such hosts begin with; a host of the reserved example domains is nobody's.
    const words = ['registry', 'mirror', 'proxy', 'pypi', 'deb'].join('|');
    const pattern = new RegExp(
      `\\b(${words})s?\\.(?!example\\b)[a-z0-9-]+\\.(org|com|io|net)\\b`,
      'i',
    );
    const lock = readFileSync(join(repositoryFolder, 'package-lock.json'), 'utf8');
    const found = written.filter((file) => pattern.test(file.text)).map((file) => file.path);
    expect([...found, ...(/"resolved": "http/.test(lock) ? ['package-lock.json'] : [])]).toEqual(
      [],
    );
  });

  it('gives every package one index.ts, and no folder another', () => {
    const packages = readdirSync(join(repositoryFolder, 'packages')).map(
      (name) => `packages/${name}/src/index.ts`,
    );
    const found = allSources
      .map((file) => file.path)
      .filter((path) => path.endsWith('/index.ts') && path.startsWith('packages/'));
    expect(found).toEqual(packages.sort());
  });

  it('carries its licence', () => {
    const licence = readFileSync(join(repositoryFolder, 'LICENSE'), 'utf8');
    expect(licence).toContain('Apache License');
    const manifests = [
      'package.json',
      ...readdirSync(join(repositoryFolder, 'packages')).map(
        (name) => `packages/${name}/package.json`,
      ),
    ];
    for (const manifest of manifests) {
      const text = readFileSync(join(repositoryFolder, manifest), 'utf8');
      expect([manifest, (JSON.parse(text) as { license?: string }).license]).toEqual([
        manifest,
        'Apache-2.0',
      ]);
    }
  });

  it('has fresh code for its wire schemas', () => {
    expect(existsSync(join(repositoryFolder, 'proto', 'gen', 'index.ts'))).toBe(true);
    const script = join(repositoryFolder, 'scripts', 'proto.mjs');
    const outcome = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
    expect([outcome.status, outcome.stderr]).toEqual([0, '']);
  });
});

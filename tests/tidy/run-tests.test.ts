/** The test command itself: what it makes of files that fail once, twice, or too many at a time. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { repositoryFolder } from '../support/shared-folder';

const PASSES = `it('holds', () => undefined);`;
const FAILS = `it('never holds', () => { throw new Error('no'); });`;
const UNLOADABLE = `throw new Error('can not be loaded');`;
/** Fails where it was never run before. */
const FAILS_ONCE = `
const { existsSync, writeFileSync } = require('node:fs');
it('holds the second time', () => {
  const isSecond = existsSync(__filename + '.ran');
  writeFileSync(__filename + '.ran', '');
  if (!isSecond) throw new Error('the first time');
});`;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'llmos-run-tests-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Runs the command over these files; answers its exit code and its last lines. */
function runOver(files: Readonly<Record<string, string>>, args: readonly string[] = []) {
  const config = { testEnvironment: 'node', watchman: false, testMatch: ['**/*.spec.js'] };
  writeFileSync(join(root, 'jest.config.json'), JSON.stringify(config));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, `${name}.spec.js`), text);
  }
  const command = pathToFileURL(join(repositoryFolder, 'scripts', 'run-tests.mjs')).href;
  const program = `import { runTests } from ${JSON.stringify(command)};
    process.exitCode = await runTests(${JSON.stringify({ root, args })});`;
  const environment: NodeJS.ProcessEnv = { ...process.env, JEST_WORKER_ID: undefined };
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', program],
    { encoding: 'utf8', env: environment },
  );
  return { status, lastLines: stdout.trimEnd().split('\n').slice(-4) };
}

describe('the test command', () => {
  it('ends with the totals', () => {
    const { status, lastLines } = runOver({ a: PASSES, b: `${PASSES} it.skip('later', () => 0);` });
    expect(lastLines.at(-1)).toBe('2 passed, 0 failed, 1 skipped');
    expect(status).toBe(0);
  });

  it('runs a file that failed once more, and names it as flaky where it passes alone', () => {
    const { status, lastLines } = runOver({ a: PASSES, b: FAILS_ONCE });
    expect(lastLines.slice(-2)).toEqual([
      'flaky: b.spec.js failed once and passed alone: a bug to find',
      '2 passed, 0 failed, 0 skipped',
    ]);
    expect(status).toBe(0);
  });

  it('fails where a file fails twice, beside one that is flaky', () => {
    const { status, lastLines } = runOver({ a: FAILS, b: FAILS_ONCE });
    expect(lastLines.slice(-3)).toEqual([
      'failed: a.spec.js',
      'flaky: b.spec.js failed once and passed alone: a bug to find',
      '1 passed, 1 failed, 0 skipped',
    ]);
    expect(status).toBe(1);
  });

  it('fails where more than two files fail, each of which might be flaky', () => {
    const { status, lastLines } = runOver({ a: FAILS_ONCE, b: FAILS_ONCE, c: FAILS_ONCE });
    expect(lastLines.at(-1)).toBe('0 passed, 3 failed, 0 skipped');
    expect(status).toBe(1);
  });

  it('fails where a file can not be loaded, or there is no test at all', () => {
    expect(runOver({ a: UNLOADABLE, b: PASSES })).toMatchObject({ status: 1 });
    rmSync(join(root, 'a.spec.js'));
    rmSync(join(root, 'b.spec.js'));
    expect(runOver({})).toMatchObject({ status: 1 });
  });

  it('runs nothing again where a developer names what to run', () => {
    const { status, lastLines } = runOver({ b: FAILS_ONCE }, ['b.spec.js']);
    expect(lastLines.at(-1)).toBe('0 passed, 1 failed, 0 skipped');
    expect(status).toBe(1);
  });
});

// Runs jest, and once more, alone, each file that failed. One that passes then is flaky: it is named
// in the last lines, and the run passes. More than two such files, or one that fails twice, is a
// failure. The last line is the totals, as plain text.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A bug of today each; with more than these the machine, or the change, is not fit to be judged. */
export const MOST_FLAKY_FILES = 2;

const here = dirname(fileURLToPath(import.meta.url));
const jest = join(dirname(here), 'node_modules', 'jest', 'bin', 'jest.js');

/**
 * Answers the exit code of the whole.
 *
 * @param of.root the folder that holds jest's configuration.
 * @param of.args for jest; with any, a developer looks at some tests, and nothing is run again.
 */
export async function runTests({ root, args = [] }) {
  const first = await runJest({ root, args });
  const files = new Map(first.files.map((file) => [file.path, file]));
  const failed = first.files.filter((file) => file.failed > 0).map((file) => file.path);
  const isUnexplained = first.exitCode !== 0 && failed.length === 0;
  const mayRunAgain = args.length === 0 && !first.isInterrupted && failed.length > 0;
  const flaky = [];
  if (mayRunAgain && failed.length <= MOST_FLAKY_FILES) {
    for (const path of failed) {
      process.stdout.write(`\nonce more, alone: ${relative(root, path)}\n`);
      const again = await runJest({ root, args: ['--runInBand', '--runTestsByPath', path] });
      const result = again.files.find((file) => file.path === path);
      if (again.exitCode !== 0 || result === undefined || result.failed > 0) continue;
      files.set(path, result);
      flaky.push(path);
    }
  }
  const totals = sum([...files.values()]);
  // No totals at all, or a failure that no file names, must never look like success.
  if (isUnexplained) totals.failed += 1;
  print({ root, files, flaky, totals });
  // As where jest was only asked which tests there are.
  if (args.length > 0) return first.exitCode;
  return totals.failed === 0 && totals.passed > 0 ? 0 : 1;
}

function print({ root, files, flaky, totals }) {
  const lines = [''];
  for (const { path, failed } of files.values()) {
    if (failed > 0) lines.push(`failed: ${relative(root, path)}`);
  }
  for (const path of flaky) {
    lines.push(`flaky: ${relative(root, path)} failed once and passed alone: a bug to find`);
  }
  lines.push(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

function sum(files) {
  const totals = { passed: 0, failed: 0, skipped: 0 };
  for (const file of files) {
    for (const name of Object.keys(totals)) totals[name] += file[name];
  }
  return totals;
}

async function runJest({ root, args }) {
  const folder = mkdtempSync(join(tmpdir(), 'llmos-test-'));
  const totalsFile = join(folder, 'totals.json');
  const reporters = ['default', join(here, 'totals-reporter.js')];
  // Last: jest takes what follows a list of reporters for one more of them.
  const all = [jest, ...args, ...reporters.map((name) => `--reporters=${name}`)];
  const exitCode = await start(all, { cwd: root, totalsFile });
  try {
    return { exitCode, ...JSON.parse(readFileSync(totalsFile, 'utf8')) };
  } catch {
    process.stderr.write('jest wrote no totals\n');
    return { exitCode: exitCode || 1, files: [], isInterrupted: false };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function start(args, { cwd, totalsFile }) {
  const env = { ...process.env, LLMOS_TEST_TOTALS: totalsFile };
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd, env, stdio: 'inherit' });
    child.on('error', (error) => {
      process.stderr.write(`jest did not start: ${error.message}\n`);
      resolve(1);
    });
    child.on('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 130)));
  });
}

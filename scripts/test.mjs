// npm test: sets up, runs jest with the arguments given, and closes with one plain line of totals.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, run, setUp } from './set-up.mjs';

await setUp();
const folder = mkdtempSync(join(tmpdir(), 'llmos-test-'));
const totalsFile = join(folder, 'totals.json');
const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
const reporters = ['default', join(root, 'scripts', 'totals-reporter.js')];
// Last: jest takes what follows a list of reporters for one more of them.
const args = [jest, ...process.argv.slice(2), ...reporters.map((name) => `--reporters=${name}`)];
const exitCode = await run(process.execPath, args, {
  env: { ...process.env, LLMOS_TEST_TOTALS: totalsFile },
});

let totals = { passed: 0, failed: 0, skipped: 0 };
try {
  totals = JSON.parse(readFileSync(totalsFile, 'utf8'));
} catch {
  process.stderr.write('jest wrote no totals\n');
}
rmSync(folder, { recursive: true, force: true });
process.stdout.write(
  `\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`,
);
process.exitCode = exitCode;

// npm run verify: everything that must hold before a change is done. Says at the end what failed.
import { join } from 'node:path';
import { root, run, setUp } from './set-up.mjs';

await setUp();
const bin = (...path) => join(root, 'node_modules', ...path);
const steps = [
  ['format', [bin('prettier', 'bin', 'prettier.cjs'), '--check', '.']],
  ['lint', [bin('eslint', 'bin', 'eslint.js'), '.', '--max-warnings', '0']],
  ['proto', [join(root, 'scripts', 'proto.mjs'), '--check']],
  ['test', [join(root, 'scripts', 'test.mjs')]],
];
const failed = [];
for (const [name, args] of steps) {
  process.stdout.write(`\n== ${name}\n`);
  if ((await run(process.execPath, args)) !== 0) failed.push(name);
}
process.stdout.write(failed.length === 0 ? '\nverified\n' : `\nfailed: ${failed.join(', ')}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;

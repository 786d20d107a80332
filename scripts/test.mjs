// npm test: sets up, runs every test (or what the arguments for jest name), and closes with one plain
// line of totals.
import { runTests } from './run-tests.mjs';
import { root, setUp } from './set-up.mjs';

await setUp();
process.exitCode = await runTests({ root, args: process.argv.slice(2) });

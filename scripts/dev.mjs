// npm run dev: a system of its own (.cache/dev) with debug logs; more arguments go to `llmos up`.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, setUp } from './set-up.mjs';

await setUp(['packages/cli']);
process.env.LLMOS_LOG_LEVEL ??= 'debug';
process.argv.splice(2, 0, 'up', '--data', join(root, '.cache', 'dev'));
await import(pathToFileURL(join(root, 'packages', 'cli', 'dist', 'llmos-main.js')).href);

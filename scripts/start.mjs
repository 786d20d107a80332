// npm start: from a fresh checkout to a running system with a short tour. --once ends after it.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, setUp } from './set-up.mjs';

await setUp(['packages/cli']);
await import(pathToFileURL(join(root, 'packages', 'cli', 'dist', 'tour-main.js')).href);

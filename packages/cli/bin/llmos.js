#!/usr/bin/env node
// The command's entry. It lies outside of dist so that npm links it before the first build.
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const main = join(__dirname, '..', 'dist', 'llmos-main.js');
if (!existsSync(main)) {
  process.stderr.write('llmos is not built yet; run: npm run build\n');
  process.exit(1);
}
require(main);

/** What the programs write about themselves, on a disk that takes nothing. */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';

const FULL = '/dev/full';

it('a log that can’t be written costs its lines, never the program', () => {
  if (!existsSync(FULL)) return console.warn(`skipped: no ${FULL} here`);
  const script = `
    const { createLogger } = require(${JSON.stringify(require.resolve('../../packages/base'))});
    const log = createLogger({ program: 'tester', level: 'info' });
    for (let n = 0; n < 1_000; n += 1) log.info('event', { text: 'x'.repeat(10_000) });
    process.stderr.write('a line of another kind');
    setTimeout(() => process.exit(7), 100);`;
  const full = openSync(FULL, 'w');
  try {
    const ended = spawnSync(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', full] });
    expect(ended.status).toBe(7);
  } finally {
    closeSync(full);
  }
});

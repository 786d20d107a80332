import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SystemNotice } from '../../programs/system-notice';
import { SupervisedProgram } from './supervised-program';

interface Ready {
  readonly osPid: number;
  readonly last: string;
}

const LIMIT_MS = 60_000;
let folder: string;
let program: SupervisedProgram<Ready> | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-program-'));
});
afterEach(async () => {
  await program?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A program that says it is ready and ends when its channel closes, as the real ones do. */
const WELL_BEHAVED = `
process.send({ osPid: process.pid, last: process.env.LAST ?? '' });
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
setInterval(() => {}, 1000);
`;

function supervise(script: string): {
  readonly program: SupervisedProgram<Ready>;
  readonly notices: SystemNotice[];
} {
  const file = join(folder, 'program.js');
  writeFileSync(file, script);
  const notices: SystemNotice[] = [];
  program = new SupervisedProgram<Ready>(
    {
      name: 'tester',
      file,
      args: [],
      settings: (last) => ({ LAST: last === undefined ? 'none' : String(last.osPid) }),
      logFile: join(folder, 'program.log'),
      readyMs: LIMIT_MS,
      parseReady: (message) => message as Ready,
    },
    (notice) => notices.push(notice),
  );
  return { program, notices };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`waited ${LIMIT_MS} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function isAlive(osPid: number): boolean {
  try {
    process.kill(osPid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a supervised program', () => {
  it('is started, and stopped with everything it started', async () => {
    const { program } = supervise(`
      const { spawn } = require('node:child_process');
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
      require('node:fs').writeFileSync(${JSON.stringify(join(folder, 'child'))}, String(child.pid));
      ${WELL_BEHAVED}`);
    const ready = await program.start();
    const childPid = Number(readFileSync(join(folder, 'child'), 'utf8'));
    expect(isAlive(childPid)).toBe(true);
    await program.stop();
    await until(() => !isAlive(ready.osPid) && !isAlive(childPid), 'both to end');
  });

  it('is started again when it dies, knowing what the last run said', async () => {
    const { program, notices } = supervise(WELL_BEHAVED);
    const first = await program.start();
    process.kill(first.osPid, 'SIGKILL');
    await until(() => notices.at(-1)?.kind === 'program-restarted', 'the restart');
    expect(notices.map((notice) => notice.kind)).toEqual([
      'program-started',
      'program-died',
      'program-restarted',
    ]);
    expect(notices[1]).toMatchObject({ outcome: { kind: 'signal', signal: 'SIGKILL' } });
    expect(program.osPid).not.toBe(first.osPid);
  });

  it('is renewed at once, also where it hangs, and its next death is a death', async () => {
    const { program, notices } = supervise(`
      process.on('SIGTERM', () => undefined);
      setInterval(() => undefined, 1000);
      process.send({ osPid: process.pid, last: '' });`);
    const first = await program.start();
    await program.renew('it hung');
    await until(() => notices.at(-1)?.kind === 'program-renewed', 'the next run');
    expect(notices).toContainEqual({ kind: 'program-renewed', name: 'tester', reason: 'it hung' });
    expect(isAlive(first.osPid)).toBe(false);
    process.kill(program.osPid, 'SIGKILL');
    await until(() => notices.at(-1)?.kind === 'program-restarted', 'the restart');
    expect(notices.map((notice) => notice.kind)).toEqual([
      'program-started',
      'program-renewed',
      'program-died',
      'program-restarted',
    ]);
  });

  it('hears what is sent to it', async () => {
    const file = join(folder, 'heard');
    const { program } = supervise(`
      process.on('message', (message) =>
        require('node:fs').writeFileSync(${JSON.stringify(file)}, message.kind));
      ${WELL_BEHAVED}`);
    await program.start();
    program.send({ kind: 'disk' });
    await until(() => existsSync(file) && readFileSync(file, 'utf8') === 'disk', 'the word');
  });

  it('fails the start, quoting its log, where it ends before it is ready', async () => {
    const { program } = supervise(`
      process.stderr.write(JSON.stringify({ level: 'error', event: 'no-server', port: 1 }) + '\\n');
      process.exit(3);`);
    const starting = program.start();
    await expect(starting).rejects.toThrow(/tester ended with code 3[^]*error no-server port=1/);
  });

  it('may be stopped twice, and its end is then no death', async () => {
    const { program, notices } = supervise(`
      process.on('SIGTERM', () => process.exit(0));
      ${WELL_BEHAVED}`);
    await program.start();
    await Promise.all([program.stop(), program.stop()]);
    expect(notices.map((notice) => notice.kind)).toEqual(['program-started']);
    expect(existsSync(join(folder, 'program.log'))).toBe(true);
  });
});

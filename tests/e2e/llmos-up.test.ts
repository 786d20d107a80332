/** The whole system on one machine, as `llmos up` starts it: real programs, real NATS server. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readRunningSystem } from '@llmos/local';
import { repositoryFolder } from '../support/shared-folder';
import { waitFor } from '../support/wait-for';

const LIMIT_MS = 180_000;
const COMMAND = join(repositoryFolder, 'packages', 'cli', 'bin', 'llmos.js');

interface Up {
  readonly child: ChildProcess;
  readonly exited: Promise<number | string>;
  output(): string;
}

let folder: string;
const started: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmos-up-'));
});
afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  await waitFor(() => processesOf(folder).length === 0, {
    what: `the processes of ${folder} to end`,
  });
  rmSync(folder, { recursive: true, force: true });
}, LIMIT_MS);

function start(...args: readonly string[]): Up {
  const child = spawn(process.execPath, [COMMAND, 'up', '--data', folder, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(),
  });
  started.push(child);
  let text = '';
  const keep = (part: Buffer): void => void (text += part.toString());
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const exited = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  return { child, exited, output: () => text };
}

async function untilReady(up: Up): Promise<void> {
  const line = /^llmos ready nats=nats:\/\/\S+ kernel=http:\/\/\S+$/m;
  let outcome: number | string | undefined;
  void up.exited.then((value) => (outcome = value));
  await waitFor(() => line.test(up.output()) || outcome !== undefined, {
    what: 'the ready line',
    limitMs: LIMIT_MS,
  });
  if (outcome !== undefined) throw new Error(`llmos up ended (${outcome}): ${up.output()}`);
}

async function llmos(...args: readonly string[]): Promise<{ exitCode: number; value: unknown }> {
  const child = spawn(process.execPath, [COMMAND, ...args, '--data', folder, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment(),
  });
  let text = '';
  child.stdout.on('data', (part: Buffer) => (text += part.toString()));
  const exitCode = await new Promise<number>((resolve) => {
    child.once('close', (code) => resolve(code ?? -1));
  });
  return { exitCode, value: JSON.parse(text) as unknown };
}

function environment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('LLMOS_'));
  // The mark is inherited by everything that is started, so that all of it can be found.
  return { ...Object.fromEntries(entries), NO_COLOR: '1', TEST_MARK: folder };
}

/** Every process whose command line or settings name the folder (Linux). */
function processesOf(name: string): number[] {
  if (!existsSync('/proc')) return [];
  return readdirSync('/proc')
    .map(Number)
    .filter((osPid) => Number.isInteger(osPid) && osPid !== process.pid)
    .filter((osPid) => readAll(`/proc/${osPid}/cmdline`, `/proc/${osPid}/environ`).includes(name));
}

function readAll(...files: readonly string[]): string {
  try {
    return files.map((file) => readFileSync(file, 'latin1')).join('\n');
  } catch {
    return '';
  }
}

describe('llmos up', () => {
  it(
    'runs functions for the other commands, and leaves nothing behind after SIGTERM',
    async () => {
      const up = start('--no-models');
      await untilReady(up);
      expect(await llmos('run', 'echo', '{"a":1}')).toEqual({ exitCode: 0, value: { a: 1 } });
      const { value } = await llmos('nodes');
      expect(value).toMatchObject([{ node: 'worker-1', state: 'alive' }]);
      const failed = await llmos('run', 'nonsense', '1');
      expect(failed).toMatchObject({ exitCode: 1, value: { ok: false } });

      up.child.kill('SIGTERM');
      expect(await up.exited).toBe(0);
      expect(processesOf(folder)).toEqual([]);
      expect(readRunningSystem(folder)).toBeUndefined();
    },
    LIMIT_MS,
  );

  it(
    'ends before it starts anything where its models folder is none',
    async () => {
      const up = start('--models', join(folder, 'none'));
      expect(await up.exited).toBe(1);
      expect(up.output()).toMatch(/the models folder \S+none does not exist/);
      expect(readdirSync(folder)).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    'starts a kernel that was killed again, and tasks go on',
    async () => {
      const up = start('--no-models');
      await untilReady(up);
      const osPid = Number(/kernel-1 +pid (\d+)/.exec(up.output())?.[1]);
      process.kill(osPid, 'SIGKILL');
      await waitFor(() => /kernel-1 +is up again/.test(up.output()), {
        what: 'the restart of the kernel',
      });
      expect(await llmos('run', 'echo', '"again"')).toEqual({ exitCode: 0, value: 'again' });
    },
    LIMIT_MS,
  );

  it(
    'takes every program with it when it is killed',
    async () => {
      const up = start('--no-models');
      await untilReady(up);
      await llmos('run', 'echo', '1');
      expect(processesOf(folder).length).toBeGreaterThan(3);
      up.child.kill('SIGKILL');
      await waitFor(() => processesOf(folder).length === 0, {
        what: 'every program to end',
      });
    },
    LIMIT_MS,
  );
});

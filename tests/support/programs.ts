/** Starts the kernel and the worker from dist, as whole programs, for tests of the real system. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isRecord } from '@llmos/base';
import type { ProgramReady } from '@llmos/base';
import { repositoryFolder } from './shared-folder';

export interface TestProgram {
  readonly osPid: number;
  readonly ready: ProgramReady;
  /** What it wrote to stderr so far; the newest 256 KiB. */
  log(): string;
  /** SIGTERM; resolves with the exit code, or the signal's name where it had to be killed. */
  stop(): Promise<number | string>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT: a program that is silent, not dead. */
  pause(): void;
  resume(): void;
  readonly exited: Promise<number | string>;
}

export interface ProgramOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Default 120 s. */
  readonly readyMs?: number;
}

/**
 * Settings of a kernel whose leases outlive a machine that stands still for a while: only a test
 * of leases may see one end. A node says something each fifth of its lease.
 */
export const LONG_LEASES = {
  LLMOS_LEASE_MS: '60000',
  LLMOS_NODE_LEASE_MS: '20000',
  LLMOS_PROCESS_SILENCE_MS: '120000',
} as const;

const PROGRAM_FILES = {
  kernel: 'packages/kernel/dist/main.js',
  worker: 'packages/worker/dist/node-agent-main.js',
} as const;
const READY_MS = 120_000;
const STOP_MS = 60_000;
const LOG_CHARS = 256 * 1024;
const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export function startKernel(options: ProgramOptions): Promise<TestProgram> {
  return startProgram('kernel', options);
}

export function startWorker(options: ProgramOptions): Promise<TestProgram> {
  return startProgram('worker', options);
}

/** Whether dist holds the programs; scripts/test.mjs builds them. */
export function arePrograms(): boolean {
  return Object.values(PROGRAM_FILES).every((file) => existsSync(join(repositoryFolder, file)));
}

async function startProgram(
  name: keyof typeof PROGRAM_FILES,
  options: ProgramOptions,
): Promise<TestProgram> {
  const file = join(repositoryFolder, PROGRAM_FILES[name]);
  if (!existsSync(file)) throw new Error(`${file} is missing: npm run build`);
  const child = spawn(process.execPath, [file], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...withoutSettings(process.env), LLMOS_LOG_LEVEL: 'info', ...options.env },
  });
  running.add(child);
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    text = (text + part).slice(-LOG_CHARS);
  });
  const exited = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => {
      running.delete(child);
      resolve(code ?? signal ?? 'unknown');
    });
  });
  const ready = await readyOf(child, exited, options.readyMs ?? READY_MS).catch((error: Error) => {
    child.kill('SIGKILL');
    throw new Error(`${name} did not start: ${error.message}\n${text.slice(-4_000)}`);
  });
  return { osPid: child.pid ?? 0, ready, exited, log: () => text, ...controls(child, exited) };
}

function controls(
  child: ChildProcess,
  exited: Promise<number | string>,
): Pick<TestProgram, 'stop' | 'kill' | 'pause' | 'resume'> {
  return {
    stop: async () => {
      child.kill('SIGTERM');
      const last = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      const outcome = await exited;
      clearTimeout(last);
      return outcome;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
  };
}

function readyOf(
  child: ChildProcess,
  exited: Promise<number | string>,
  limitMs: number,
): Promise<ProgramReady> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready after ${limitMs} ms`)), limitMs);
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      act();
    };
    child.on('message', (message: unknown) => {
      if (!isRecord(message) || message['kind'] !== 'program-ready') return;
      settle(() => resolve(message as unknown as ProgramReady));
    });
    void exited.then((outcome) => settle(() => reject(new Error(`it ended: ${outcome}`))));
  });
}

/** A developer's own settings must not change what a test sees. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('LLMOS_')));
}

/**
 * One run of one program of the system: started with an IPC channel in a process group of its own,
 * so that a terminal's Ctrl-C reaches only us and whatever the program left behind can be swept.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { LlmosError, settlesWithin } from '@llmos/base';
import { LOCAL_LIMITS } from '../../limits';
import type { Settings } from '../../programs/program-settings';
import { describeExit } from '../../programs/system-notice';
import type { ExitOutcome } from '../../programs/system-notice';
import { readLogTail, trimLog } from './program-log';

export interface ProgramSpec<Ready> {
  readonly name: string;
  /** A built JavaScript file. */
  readonly file: string;
  readonly args: readonly string[];
  /** @param last what the previous run said when it was ready. */
  readonly settings: (last: Ready | undefined) => Settings;
  /** Its stdout and stderr are appended to this file. */
  readonly logFile: string;
  /** More log files that belong to it, quoted where it fails. */
  readonly otherLogFile?: string;
  readonly readyMs: number;
  readonly parseReady: (message: unknown) => Ready | undefined;
}

export interface ProgramRun<Ready> {
  readonly osPid: number;
  /** Rejects, naming the program and the end of its log, where it ends or is late. */
  readonly ready: Promise<Ready>;
  /** Never rejects. */
  readonly exited: Promise<ExitOutcome>;
  /** Lost where the program is gone. */
  send(message: object): void;
  /** SIGTERM, and SIGKILL after a bound. Answers whether it had to be killed. */
  stop(): Promise<boolean>;
  /** Ends at once everything that is left of the program's group. */
  sweep(): void;
}

export function runProgram<Ready>(
  spec: ProgramSpec<Ready>,
  last: Ready | undefined,
): ProgramRun<Ready> {
  trimLog(spec.logFile);
  const log = openSync(spec.logFile, 'a');
  const child = spawn(process.execPath, [spec.file, ...spec.args], {
    stdio: ['ignore', log, log, 'ipc'],
    detached: true,
    env: { ...process.env, ...spec.settings(last) },
  });
  closeSync(log);
  const osPid = child.pid ?? 0;
  const exited = exitOf(child);
  const sweep = (): void => {
    try {
      if (osPid > 0) process.kill(-osPid, 'SIGKILL');
    } catch {
      // Nothing is left of the group: that is what was wanted.
    }
  };
  const ready = readyOf(child, spec, exited);
  // Whoever never waits for it must not turn a failed start into an unhandled rejection.
  ready.catch(() => undefined);
  const send = (message: object): void => {
    if (child.connected) child.send(message, () => undefined);
  };
  return { osPid, ready, exited, sweep, send, stop: () => stop(child, exited, sweep) };
}

function exitOf(child: ChildProcess): Promise<ExitOutcome> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ kind: 'not-started', message: error.message }));
    child.once('exit', (code, signal) => {
      if (code !== null) resolve({ kind: 'code', code });
      else resolve({ kind: 'signal', signal: signal ?? 'an unknown signal' });
    });
  });
}

function readyOf<Ready>(
  child: ChildProcess,
  spec: ProgramSpec<Ready>,
  exited: Promise<ExitOutcome>,
): Promise<Ready> {
  return new Promise((resolve, reject) => {
    const fail = (what: string): void => {
      const tail = readLogTail(spec.logFile) || readLogTail(spec.otherLogFile ?? '');
      const message = `${spec.name} ${what}; its log is ${spec.logFile}`;
      reject(new LlmosError('UNAVAILABLE', tail === '' ? message : `${message}\n${tail}`));
    };
    const timer = setTimeout(
      () => fail(`was not ready within ${spec.readyMs / 1_000} s`),
      spec.readyMs,
    );
    child.on('message', (message: unknown) => {
      const ready = spec.parseReady(message);
      if (ready === undefined) return;
      clearTimeout(timer);
      resolve(ready);
    });
    void exited.then((outcome) => {
      clearTimeout(timer);
      fail(describeExit(outcome));
    });
  });
}

async function stop(
  child: ChildProcess,
  exited: Promise<ExitOutcome>,
  sweep: () => void,
): Promise<boolean> {
  child.kill('SIGTERM');
  const isOver = await settlesWithin(exited, LOCAL_LIMITS.programStopMs);
  if (!isOver) {
    child.kill('SIGKILL');
    await settlesWithin(exited, LOCAL_LIMITS.programReapMs);
  }
  sweep();
  if (child.connected) child.disconnect();
  return !isOver;
}

/** Runs a program to its end, within a time and a size. */
import { execFile } from 'node:child_process';

export interface ProgramRun {
  readonly file: string;
  readonly args: readonly string[];
  readonly limitMs: number;
  readonly maxOutputBytes: number;
  /** Default: ours. */
  readonly env?: NodeJS.ProcessEnv;
  /** Kills it. */
  readonly signal?: AbortSignal;
}

export type ProgramOutcome =
  | { readonly kind: 'ended'; readonly stdout: string }
  | { readonly kind: 'failed'; readonly reason: string };

export function runProgram(run: ProgramRun): Promise<ProgramOutcome> {
  const options = {
    timeout: run.limitMs,
    killSignal: 'SIGKILL' as const,
    maxBuffer: run.maxOutputBytes,
    encoding: 'utf8' as const,
    ...(run.env === undefined ? {} : { env: run.env }),
    ...(run.signal === undefined ? {} : { signal: run.signal }),
  };
  return new Promise((resolve) => {
    execFile(run.file, [...run.args], options, (error, stdout, stderr) => {
      if (error === null) resolve({ kind: 'ended', stdout });
      else resolve({ kind: 'failed', reason: reasonOf(error, stderr, run) });
    });
  });
}

function reasonOf(error: Error & { killed?: boolean }, stderr: string, run: ProgramRun): string {
  if (error.killed === true) return `no answer within ${run.limitMs} ms`;
  const lastLine = stderr.trim().split('\n').at(-1) ?? '';
  return (lastLine === '' ? error.message : lastLine).slice(0, 300);
}

/** Runs a command to its end, within a bound, and returns what it wrote. Never throws. */
import { execFile } from 'node:child_process';
import { LOCAL_LIMITS } from '../../limits';

export interface CommandOutcome {
  /** The exit status; undefined where it did not start or was stopped. */
  readonly status: number | undefined;
  readonly output: string;
  readonly errors: string;
}

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandOutcome> {
  return new Promise((resolve) => {
    const settings = {
      timeout: options.timeoutMs,
      maxBuffer: LOCAL_LIMITS.commandOutputBytes,
      killSignal: 'SIGKILL' as const,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
    };
    execFile(file, [...args], settings, (error, output, errors) => {
      if (error === null) return resolve({ status: 0, output, errors });
      const status = typeof error.code === 'number' ? error.code : undefined;
      resolve({ status, output, errors: errors === '' ? error.message : errors });
    });
  });
}

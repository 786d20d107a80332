/** The real process as a command's host: its streams, its signals, its exit code. */
import type { Readable } from 'node:stream';
import { addAbortSignal } from 'node:stream';
import { LlmosError } from '@llmos/base';
import type { CommandHost } from './command-host';
import { CLI_LIMITS } from './limits';
import { EXIT_CODES, OutputClosed, UsageError } from './usage-error';

/** Runs a program to its exit code, which is that of the output where it can't be written. */
export async function runOnTerminal(run: (host: CommandHost) => Promise<number>): Promise<void> {
  const stop = new AbortController();
  stopOnSignals(stop);
  const outputCode = watchOutput(stop);
  const exitCode = await run({
    out: process.stdout,
    err: process.stderr,
    env: process.env,
    signal: stop.signal,
    readStdin: () => readText(process.stdin, stop.signal),
  });
  process.exitCode = outputCode() ?? exitCode;
  // What was given up, such as reaching a server, may go on for seconds; all was written already.
  if (stop.signal.aborted) process.exit();
}

function stopOnSignals(stop: AbortController): void {
  const onSignal = (): void => {
    // The second one means it: children end by themselves when their channel closes.
    if (stop.signal.aborted) process.exit(EXIT_CODES.interrupted);
    stop.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('SIGHUP', onSignal);
}

/** @returns the exit code, once the output can't be written any more. */
function watchOutput(stop: AbortController): () => number | undefined {
  let exitCode: number | undefined;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (exitCode !== undefined) return;
    // Whoever reads our output may stop reading (`llmos ps | head -1`): what runs is ended.
    const isUnwanted = error.code === 'EPIPE';
    exitCode = isUnwanted ? EXIT_CODES.ok : EXIT_CODES.failed;
    if (!isUnwanted) {
      process.stderr.write(`error: the output can't be written: ${error.message}\n`);
    }
    // Also where the program has ended already.
    process.exitCode = exitCode;
    stop.abort(new OutputClosed(error.message));
  });
  // What is said beside the answer may get lost.
  process.stderr.on('error', () => undefined);
  return () => exitCode;
}

/** All of stdin. Throws a UsageError where it is no text or too long, CANCELLED on abort. */
export async function readText(stdin: Readable, signal: AbortSignal): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of addAbortSignal(signal, stdin)) {
      const buffer = Buffer.from(part as Uint8Array);
      bytes += buffer.byteLength;
      if (bytes > CLI_LIMITS.stdinBytes) {
        throw new UsageError(`stdin holds more than ${CLI_LIMITS.stdinBytes} bytes`);
      }
      parts.push(buffer);
    }
  } catch (error) {
    if (signal.aborted) throw new LlmosError('CANCELLED', 'interrupted', { cause: error });
    throw error;
  }
  return decodeText(Buffer.concat(parts));
}

/** Without the mark that some programs begin a text with. */
function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError('stdin is not UTF-8');
  }
}

/** The real process as a command's host: its streams, its signals. */
import type { CommandHost } from './command-host';
import { EXIT_CODES } from './usage-error';

/** stdin beyond this is not the input of a task (the wire's limit is smaller still). */
const MAX_STDIN_BYTES = 64 * 1024 * 1024;

export function createTerminalHost(): CommandHost {
  const stop = new AbortController();
  const onSignal = (): void => {
    // The second one means it: children end by themselves when their channel closes.
    if (stop.signal.aborted) process.exit(EXIT_CODES.interrupted);
    stop.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('SIGHUP', onSignal);
  // Whoever reads our output may stop reading (`llmos ps | head -1`).
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT_CODES.ok);
  });
  return {
    out: process.stdout,
    err: process.stderr,
    env: process.env,
    signal: stop.signal,
    readStdin,
  };
}

async function readStdin(): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of process.stdin) {
    const buffer = Buffer.from(part as Uint8Array);
    bytes += buffer.byteLength;
    if (bytes > MAX_STDIN_BYTES) throw new Error(`stdin holds more than ${MAX_STDIN_BYTES} bytes`);
    parts.push(buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}

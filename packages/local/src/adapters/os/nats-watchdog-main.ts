/**
 * The program that stands between `llmos up` and its NATS server: starts the server, says when it
 * answers, and ends it when `llmos up` goes away, even by SIGKILL (the channel closes then).
 *
 * Arguments: server program, configuration file, port, log file.
 */
import { spawn } from 'node:child_process';
import { LOCAL_LIMITS } from '../../limits';
import type { NatsReady } from '../../programs/ready-message';
import { waitForNats } from './nats-probe';

function main(): void {
  const [path, config, port, log] = process.argv.slice(2);
  if (path === undefined || config === undefined || port === undefined || log === undefined) {
    process.stderr.write('usage: nats-watchdog-main SERVER CONFIG PORT LOG\n');
    process.exit(2);
  }
  const server = spawn(path, ['-c', config, '-l', log], { stdio: ['ignore', 'ignore', 'inherit'] });
  const gone = new AbortController();
  server.once('error', (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  });
  server.once('exit', (code, signal) => {
    gone.abort();
    const isClean = code === 0 || isEnding;
    if (!isClean) process.stderr.write(`nats-server ended: ${code ?? signal ?? 'unknown'}\n`);
    process.exit(isClean ? 0 : 1);
  });

  let isEnding = false;
  const end = (): void => {
    if (isEnding) return;
    isEnding = true;
    gone.abort();
    server.kill('SIGTERM');
    setTimeout(() => server.kill('SIGKILL'), LOCAL_LIMITS.natsStopMs).unref();
  };
  process.on('disconnect', end);
  process.on('SIGTERM', end);
  process.on('SIGINT', end);

  waitForNats(
    { host: '127.0.0.1', port: Number(port) },
    { limitMs: LOCAL_LIMITS.natsReadyMs, signal: gone.signal },
  ).then(
    (greeting) => {
      const ready: NatsReady = { kind: 'nats-ready', natsPid: server.pid ?? 0, ...greeting };
      // Another server on this port would have answered as well: ours must still be there.
      if (server.exitCode === null) process.send?.(ready);
    },
    (error: unknown) => {
      if (!isEnding) process.stderr.write(`${String(error)}\n`);
      end();
    },
  );
}

main();

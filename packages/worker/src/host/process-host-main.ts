/** The program of a process host. Only a node agent starts it, over an IPC channel. */
import { createLogger } from '@llmos/base';
import type { FromHost, ToHost } from '../actors/host-protocol';
import { HOST_LIMITS } from '../limits';
import { loadError } from '../models/load-error';
import type { ProcessHost } from './process-host';
import { startProcessHost } from './process-host';

function tell(message: FromHost): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** Ends at once, whatever a thread is in the middle of; an ordinary exit could wait for it. */
function leaveNow(): void {
  process.kill(process.pid, 'SIGKILL');
}

function crash(message: string): void {
  endWith({ kind: 'crashing', message });
}

function leave(message: string): void {
  endWith({ kind: 'leaving', message });
}

function endWith(last: Extract<FromHost, { kind: 'crashing' | 'leaving' }>): void {
  process.stderr.write(`${last.message}\n`);
  if (!process.connected) leaveNow();
  process.send?.(last, undefined, undefined, leaveNow);
  // The channel may be as broken as the rest.
  setTimeout(leaveNow, HOST_LIMITS.crashMs);
}

function main(): void {
  if (process.send === undefined) {
    process.stderr.write('a process host is started by a node agent, not by hand\n');
    process.exit(2);
  }
  let starting: Promise<ProcessHost | undefined> | undefined;
  process.on('message', (message: ToHost) => {
    if (message.kind === 'start') starting ??= start(message.spec);
    else void stop(starting, message.graceMs);
  });
  // Without an agent nobody would ever stop this host.
  process.once('disconnect', leaveNow);
  // The agent stops its hosts in order; a terminal's Ctrl-C reaches them too.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => undefined);
  process.on('uncaughtException', (error) => crash(`uncaught: ${error.stack ?? error.message}`));
  process.on('unhandledRejection', (reason) => {
    crash(`unhandled: ${reason instanceof Error ? (reason.stack ?? '') : String(reason)}`);
  });
  tell({ kind: 'booted' });
}

async function start(spec: Extract<ToHost, { kind: 'start' }>['spec']) {
  process.title = `llmos-host ${spec.target} ${spec.pid}`;
  const { pid, target, incarnation } = spec;
  const log = createLogger({ program: 'host', level: spec.logLevel }).with({ pid, target });
  try {
    return await startProcessHost({ spec, log: log.with({ incarnation }), tell, crash, leave });
  } catch (thrown) {
    const { code, message, retryable } = loadError(thrown);
    log.error('load-failed', { error: thrown });
    tell({ kind: 'load-failed', code, message, retryable });
    return undefined;
  }
}

async function stop(starting: Promise<ProcessHost | undefined> | undefined, graceMs: number) {
  const host = await starting;
  await host?.stop(graceMs);
  process.exit(0);
}

main();

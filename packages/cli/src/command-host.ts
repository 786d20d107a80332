/** What a command gets from whoever runs it, and the options that every command has. */
import type { Command } from 'commander';
import { LlmosError, settlesWithin } from '@llmos/base';
import type { LlmosClient } from '@llmos/sdk';
import { withClient } from './connection';
import type { CommonOptions, Environment } from './connection';
import { CLI_LIMITS } from './limits';
import { folder } from './option-values';
import type { OutputStream } from './output/terminal';
import { Terminal } from './output/terminal';

export const SYSTEM_CALL = { timeoutMs: CLI_LIMITS.systemCallMs } as const;

export interface CommandHost {
  readonly out: OutputStream;
  readonly err: OutputStream;
  readonly env: Environment;
  /** Where `llmos.config.json` is looked for; default: the working folder. */
  readonly folder?: string;
  /** Aborted by the first Ctrl-C or SIGTERM, and where nobody takes the output any more. */
  readonly signal: AbortSignal;
  /** All of stdin. Throws a UsageError where it is no text, or too long. */
  readonly readStdin: () => Promise<string>;
}

/** A command that talks to a running system. */
export function systemCommand(parent: Command, nameAndArguments: string): Command {
  return parent
    .command(nameAndArguments)
    .option('--nats <url>', 'NATS server of the system (default: LLMOS_SERVERS, the running up)')
    .option('--data <dir>', 'state folder of the `llmos up` to talk to', folder)
    .option('--tenant <name>', 'on whose behalf', 'default')
    .option('--json', 'print one JSON value');
}

export function terminalOf(host: CommandHost, options: { readonly json?: boolean }): Terminal {
  const { out, err, env } = host;
  return new Terminal({ out, err, env, isJson: options.json === true });
}

export interface SystemUse {
  readonly client: LlmosClient;
  readonly terminal: Terminal;
}

/** Connects, runs the command and disconnects. */
export function useSystem(
  host: CommandHost,
  options: CommonOptions,
  use: (of: SystemUse) => Promise<void>,
): Promise<void> {
  const terminal = terminalOf(host, options);
  return withClient(options, host, (client) =>
    unlessInterrupted(use({ client, terminal }), host.signal),
  );
}

/** What heeds the signal ends by itself, cancelling its task; the rest is not waited for. */
async function unlessInterrupted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  await Promise.race([work, whenAborted(signal)]);
  if (!(await settlesWithin(work, CLI_LIMITS.interruptGraceMs))) throw interrupted();
}

/** Examples below a command's help. */
export function withExamples(command: Command, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ ${example}`);
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}

/** Resolves once the host asks the command to end. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function interrupted(): LlmosError {
  return new LlmosError('CANCELLED', 'interrupted');
}

/** `llmos logs`: what the programs of the running `llmos up` write. */
import type { Command } from 'commander';
import { LlmosError } from '@llmos/base';
import { LogReader, defaultStateFolder, formatLogLine, listLogs, parseLogLine } from '@llmos/local';
import type { CommandHost } from '../command-host';
import { terminalOf, withExamples } from '../command-host';
import { CLI_LIMITS } from '../limits';
import { safeText } from '../output/table';
import type { Terminal } from '../output/terminal';
import { UsageError } from '../usage-error';
import { folder, integer } from '../option-values';

interface LogOptions {
  readonly data?: string;
  readonly follow?: boolean;
  readonly lines: number;
  readonly json?: boolean;
}

export function registerLogs(program: Command, host: CommandHost): void {
  const command = program
    .command('logs [program]')
    .description('show the logs of `llmos up`: of every program, or of one such as worker-1')
    .option('-f, --follow', 'go on with what is written from now on')
    .option('-n, --lines <n>', 'how many of the last lines of each', integer(0, 100_000), 20)
    .option('--data <dir>', 'state folder of the `llmos up`', folder)
    .option('--json', 'print each structured line as it is')
    .action((name: string | undefined, options: LogOptions) => logs(name, options, host));
  withExamples(command, ['llmos logs', 'llmos logs kernel-1 -f', 'llmos logs worker-1 -n 200']);
}

async function logs(
  name: string | undefined,
  options: LogOptions,
  host: CommandHost,
): Promise<void> {
  const stateFolder = options.data ?? defaultStateFolder(host.env);
  const known = listLogs(stateFolder);
  if (known.length === 0) {
    const message = `no logs in ${stateFolder}: they are written by \`llmos up\``;
    throw new LlmosError('NOT_FOUND', message);
  }
  if (name !== undefined && !known.includes(name)) {
    throw new UsageError(
      `${JSON.stringify(name)} has no log; those that have: ${known.join(', ')}`,
    );
  }
  const names = name === undefined ? known : [name];
  const readers = names.map((each) => ({ name: each, reader: new LogReader(stateFolder, each) }));
  // The lines of --json stand for themselves; a terminal for one value would keep silent.
  const terminal = terminalOf(host, {});
  const width = Math.max(...names.map((each) => each.length));
  const print = (from: string, line: string): void =>
    printLine(terminal, { line, prefix: names.length > 1 ? from.padEnd(width) : '', options });
  for (const { name: from, reader } of readers) {
    for (const line of reader.readLast(options.lines)) print(from, line);
  }
  while (options.follow === true && !host.signal.aborted) {
    for (const { name: from, reader } of readers) {
      for (const line of reader.read()) print(from, line);
    }
    await pause(CLI_LIMITS.logLookMs, host.signal);
  }
}

function printLine(
  terminal: Terminal,
  of: { readonly line: string; readonly prefix: string; readonly options: LogOptions },
): void {
  const fields = parseLogLine(of.line);
  if (of.options.json === true) {
    if (fields !== undefined) terminal.json(fields);
    return;
  }
  const { style } = terminal;
  const time = typeof fields?.['time'] === 'string' ? fields['time'].slice(11, 23) : '';
  const text = safeText(formatLogLine(of.line));
  const parts = [style.cyan(of.prefix), style.dim(time), colorLevel(text, fields, terminal)];
  terminal.line(parts.filter((part) => part !== '').join('  '));
}

function colorLevel(
  text: string,
  fields: Readonly<Record<string, unknown>> | undefined,
  { style }: Terminal,
): string {
  if (fields?.['level'] === 'error') return style.red(text);
  return fields?.['level'] === 'warn' ? style.yellow(text) : text;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener('abort', finish, { once: true });
  });
}

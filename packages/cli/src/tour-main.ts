/**
 * The program behind `npm start`: starts a system, shows the tour, stays up until Ctrl-C.
 *
 * `--once` uses a state folder of its own, ends after the tour and prints a JSON summary as its
 * last line, also for an error (`{"ok":false,"error":{…}}`, exit code 1).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { DEVICES } from '@llmos/local';
import type { DeviceChoice, RunningSystem } from '@llmos/local';
import { connect } from '@llmos/sdk';
import type { CommandHost } from './command-host';
import { terminalOf, whenAborted } from './command-host';
import { folder } from './option-values';
import { folderFlag, readyLine, startUp } from './commands/up';
import type { Terminal } from './output/terminal';
import { versionText } from './version';
import { bodyOf, describeError } from './run-cli';
import { runOnTerminal } from './terminal-host';
import { runTour, showHowToGoOn } from './tour/tour';
import type { TourSummary } from './tour/tour-summary';
import { EXIT_CODES } from './usage-error';

interface TourOptions {
  readonly once?: boolean;
  readonly nats?: string;
  readonly data?: string;
  readonly workers: string;
  readonly device: DeviceChoice;
}

function parseOptions(args: readonly string[]): TourOptions {
  const command = new Command('npm start --')
    .description('start llmos on this machine and take a short tour')
    .option('--once', 'end after the tour, with a JSON summary as the last line')
    .option('--nats <url>', 'use this NATS server instead of starting one')
    .option('--data <dir>', 'folder for queues, models, logs and caches', folder)
    .addOption(new Option('--workers <n>', 'workers').choices(['1', '2', '3', '4']).default('1'))
    .addOption(new Option('--device <device>', 'where models run').choices(DEVICES).default('auto'))
    .exitOverride();
  command.parse([...args], { from: 'user' });
  return command.opts<TourOptions>();
}

async function main(args: readonly string[], host: CommandHost): Promise<number> {
  let options: TourOptions;
  try {
    options = parseOptions(args);
  } catch (error) {
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? EXIT_CODES.ok : EXIT_CODES.usage;
    throw error;
  }
  const terminal = terminalOf(host, {});
  const isOnce = options.once === true;
  const ownFolder =
    isOnce && options.data === undefined ? mkdtempSync(join(tmpdir(), 'llmos-tour-')) : undefined;
  try {
    const outcome = await tour({ options, dataFolder: options.data ?? ownFolder }, host, terminal);
    if (isOnce) terminal.json({ ok: true, ...outcome });
    return EXIT_CODES.ok;
  } catch (error) {
    const isAsked = host.signal.aborted && !isOnce;
    if (isAsked) return EXIT_CODES.ok;
    const body = bodyOf(error, host.signal);
    terminal.error(describeError(body, terminal.style.red('error:')));
    if (isOnce) terminal.json({ ok: false, error: body });
    return host.signal.aborted ? EXIT_CODES.interrupted : EXIT_CODES.failed;
  } finally {
    if (ownFolder !== undefined) rmSync(ownFolder, { recursive: true, force: true });
  }
}

async function tour(
  of: { readonly options: TourOptions; readonly dataFolder: string | undefined },
  host: CommandHost,
  terminal: Terminal,
): Promise<TourSummary & { readonly natsUrl: string }> {
  const { options, dataFolder } = of;
  const { nats, device } = options;
  terminal.note(terminal.style.bold(`llmos ${versionText()}`));
  const system = await startUp(host, {
    kernels: 1,
    workers: Number(options.workers),
    device,
    ...(nats === undefined ? {} : { nats }),
    ...(dataFolder === undefined ? {} : { data: dataFolder }),
  });
  try {
    if (options.once !== true) terminal.line(readyLine(system));
    const isOnce = options.once === true;
    return await show(system, host, { terminal, isOnce, flag: folderFlag(options.data) });
  } finally {
    await system.stop();
  }
}

async function show(
  system: RunningSystem,
  host: CommandHost,
  of: { readonly terminal: Terminal; readonly isOnce: boolean; readonly flag: string },
): Promise<TourSummary & { readonly natsUrl: string }> {
  const { natsUrl } = system;
  const { signal } = host;
  const client = await connect({ servers: natsUrl, name: 'llmos-tour' });
  const step = { client, terminal: of.terminal, signal };
  try {
    const summary = await runTour(step);
    if (!of.isOnce) {
      showHowToGoOn(step, { natsUrl, flag: of.flag });
      await whenAborted(signal);
    }
    return { natsUrl, ...summary };
  } finally {
    await client.close();
  }
}

void runOnTerminal((host) => main(process.argv.slice(2), host));

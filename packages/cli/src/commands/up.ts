/** `llmos up`: a whole system on this machine, until Ctrl-C. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import {
  DEVICES,
  LOCAL_LIMITS,
  defaultStateFolder,
  shippedModelsFolder,
  startSystem,
} from '@llmos/local';
import type { DeviceChoice, RunningSystem } from '@llmos/local';
import type { CommandHost } from '../command-host';
import { terminalOf, whenAborted, withExamples } from '../command-host';
import { showNotice } from '../output/notices';
import { folder } from '../option-values';

export interface UpOptions {
  readonly nats?: string;
  readonly kernels: number;
  readonly workers: number;
  readonly data?: string;
  /** false: --no-models. */
  readonly models?: string | false;
  readonly device: DeviceChoice;
  readonly json?: boolean;
}

export function registerUp(program: Command, host: CommandHost): void {
  const command = program
    .command('up')
    .description('start NATS, kernel and workers on this machine, and keep them running')
    .option('--nats <url>', 'use this NATS server (with JetStream) instead of starting one')
    .option('--kernels <n>', 'kernels; one leads, the others stand by', atMost('kernels'), 1)
    .option('--workers <n>', 'workers', atMost('workers'), 1)
    .option('--data <dir>', 'folder for queues, models, logs and caches', folder)
    .option(
      '--models <dir>',
      'register every model package in this folder (default: the shipped)',
      folder,
    )
    .option('--no-models', 'register none')
    .addOption(deviceOption())
    .option('--json', 'print one JSON value once it is up')
    .action((options: UpOptions) => up(host, options));
  withExamples(command, [
    'llmos up',
    'llmos up --kernels 2 --workers 2',
    'llmos up --nats nats://127.0.0.1:4222 --models ./my-models',
  ]);
}

function deviceOption(): Option {
  return new Option('--device <device>', 'where models run').choices(DEVICES).default('auto');
}

function atMost(name: 'kernels' | 'workers'): (text: string) => number {
  const most = LOCAL_LIMITS[name];
  return (text) => {
    const number = /^\d{1,3}$/.test(text) ? Number(text) : 0;
    if (number >= 1 && number <= most) return number;
    throw new InvalidArgumentError(`It must be an integer from 1 to ${most}.`);
  };
}

async function up(host: CommandHost, options: UpOptions): Promise<void> {
  const terminal = terminalOf(host, options);
  const system = await startUp(host, options).catch((error: unknown) => {
    // Being told to stop while it starts is no failure either.
    if (host.signal.aborted) return undefined;
    throw error;
  });
  if (system === undefined) return;
  const { natsUrl, kernelUrl, models } = system;
  if (terminal.isJson) terminal.json({ ok: true, natsUrl, kernelUrl, models });
  else terminal.line(readyLine(system));
  // Whoever began with npx has no other command.
  const llmos = host.env['npm_command'] === 'exec' ? 'npx llmos' : 'llmos';
  const ps = `${llmos} ps${folderFlag(options.data)}`;
  terminal.note(terminal.style.dim(`Ctrl-C stops it; try \`${ps}\` in another terminal`));
  await whenAborted(host.signal);
  await system.stop();
}

/** What another command needs to find a system in a folder of its own; written for a shell. */
export function folderFlag(data: string | undefined): string {
  if (data === undefined) return '';
  const path = resolve(data);
  const isPlain = /^[\w@%+=:,./-]+$/.test(path);
  return ` --data ${isPlain ? path : `'${path.replaceAll("'", "'\\''")}'`}`;
}

/** The line that scripts wait for. */
export function readyLine(system: RunningSystem): string {
  return `llmos ready nats=${system.natsUrl} kernel=${system.kernelUrl}`;
}

export function startUp(host: CommandHost, options: UpOptions): Promise<RunningSystem> {
  const terminal = terminalOf(host, options);
  const models = options.models === false ? undefined : (options.models ?? shippedModelsFolder());
  return startSystem({
    kernels: options.kernels,
    workers: options.workers,
    device: options.device,
    dataDir: resolve(options.data ?? defaultStateFolder(host.env)),
    ...(options.nats === undefined ? {} : { natsUrl: options.nats }),
    ...(models === undefined ? {} : { modelsDir: resolve(models) }),
    report: (notice) => showNotice(notice, terminal),
    signal: host.signal,
  });
}

/** `llmos backup` and `llmos restore`: all of a stopped system, into a folder and back. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { defaultStateFolder, openStoppedSystem, readRunningSystem } from '@llmos/local';
import type { StoppedSystem } from '@llmos/local';
import { openStreamServer } from '../adapters/jetstream/nats-stream-server';
import { BackupFolder } from '../backup/backup-folder';
import type { BackedUpStream } from '../backup/manifest';
import { restoreBackup } from '../backup/restore-backup';
import type { StreamServer } from '../backup/stream-server';
import { takeBackup } from '../backup/take-backup';
import type { CommandHost } from '../command-host';
import { systemCommand, terminalOf, withExamples } from '../command-host';
import type { CommonOptions } from '../connection';
import { findServers } from '../connection';
import { showNotice } from '../output/notices';
import type { Style } from '../output/style';
import { formatTable } from '../output/table';
import type { Terminal } from '../output/terminal';
import { count, formatBytes } from '../output/units';
import { folder as folderOf } from '../option-values';
import { versionText } from '../version';
import { folderFlag } from './up';

export function registerBackup(program: Command, host: CommandHost): void {
  const backup = systemCommand(program, 'backup <folder>')
    .description('write every task, result, model and setting of a stopped system into a folder')
    .action((given: string, options: CommonOptions) => backUp(host, given, options));
  backup.addHelpText(
    'after',
    '\nStop workers and kernels first; NATS goes on. Of an `llmos up` that is stopped, name its' +
      '\nfolder with --data, where it is not the default. What was cut short goes on where it' +
      '\nstopped, with the same command. The files are read back and compared before it ends.',
  );
  withExamples(backup, [
    'llmos backup ./backup --nats nats://nats.example:4222',
    'llmos backup ./backup --data ./my-system',
  ]);

  const restore = systemCommand(program, 'restore <folder>')
    .description('put a backup into NATS servers that hold nothing of llmos')
    .action((given: string, options: CommonOptions) => restoreFrom(host, given, options));
  restore.addHelpText(
    'after',
    '\nNothing is written over what is there. One server or three: streams get a replica on each,' +
      '\nthree at most. The servers must be as new as those the backup is of. Start kernels after it.',
  );
  withExamples(restore, [
    'llmos restore ./backup --nats nats://nats.example:4222',
    'llmos restore ./backup --data ./another-system',
  ]);
}

async function backUp(host: CommandHost, given: string, options: CommonOptions): Promise<void> {
  const terminal = terminalOf(host, options);
  const folder = new BackupFolder(resolve(folderOf(given)));
  const manifest = await withServer({ host, options, mayBegin: false }, ({ server }) =>
    takeBackup({
      ...{ server, folder, llmosVersion: versionText(), createdAt: new Date().toISOString() },
      ...progressOn(terminal),
    }),
  );
  const { streams, serverVersion } = manifest;
  if (terminal.isJson) return terminal.json({ folder: folder.path, ...report(streams) });
  terminal.line(formatStreams(streams, terminal.style));
  terminal.line();
  terminal.line(`${summary(streams)} of nats-server ${serverVersion} in ${folder.path}`);
}

async function restoreFrom(
  host: CommandHost,
  given: string,
  options: CommonOptions,
): Promise<void> {
  const terminal = terminalOf(host, options);
  const folder = new BackupFolder(resolve(folderOf(given)));
  const restored = await withServer({ host, options, mayBegin: true }, async (use) => {
    const { server, stopped } = use;
    const done = await restoreBackup({ server, folder, ...progressOn(terminal) });
    stopped?.markInUse();
    return { ...done, isLocal: stopped !== undefined };
  });
  const { manifest, replicas, skipped } = restored;
  const { streams } = manifest;
  if (terminal.isJson) {
    return terminal.json({ folder: folder.path, replicas, skipped, ...report(streams) });
  }
  terminal.line(formatStreams(streams, terminal.style));
  terminal.line();
  const already = skipped.length === 0 ? '' : `, ${skipped.length} of them were there already`;
  terminal.line(`${summary(streams)} with ${count(replicas, 'replica')} each${already}`);
  const next = restored.isLocal
    ? `start it: llmos up${folderFlag(options.data)}`
    : 'start the kernels now, then the workers';
  terminal.note(terminal.style.dim(next));
}

interface ServerUse {
  readonly server: StreamServer;
  /** Of a state folder whose system is stopped; undefined where NATS runs by itself. */
  readonly stopped: StoppedSystem | undefined;
}

/** The server that is named, that of the running `up`, or that of a stopped one, started alone. */
async function withServer<T>(
  of: { readonly host: CommandHost; readonly options: CommonOptions; readonly mayBegin: boolean },
  use: (of: ServerUse) => Promise<T>,
): Promise<T> {
  const { signal, env } = of.host;
  const dataDir = of.options.data ?? defaultStateFolder(env);
  const running = readRunningSystem(dataDir, { isStartingToo: true });
  const isAlone = of.options.nats === undefined && running === undefined;
  const stopped = isAlone ? await openAlone({ ...of, dataDir }) : undefined;
  try {
    const servers = stopped?.natsUrl ?? findServers(of.options, env);
    const server = await openStreamServer({ servers, signal });
    try {
      return await use({ server, stopped });
    } finally {
      await server.close();
    }
  } finally {
    await stopped?.stop();
  }
}

function openAlone(of: {
  readonly host: CommandHost;
  readonly options: CommonOptions;
  readonly mayBegin: boolean;
  readonly dataDir: string;
}): Promise<StoppedSystem> {
  const terminal = terminalOf(of.host, of.options);
  const { dataDir, mayBegin } = of;
  const { signal } = of.host;
  return openStoppedSystem({
    ...{ dataDir, mayBegin, signal },
    report: (notice) => showNotice(notice, terminal),
  });
}

function progressOn(terminal: Terminal) {
  return {
    onShare: (share: number, text: string): void => terminal.progressBar(share, text),
    onStep: (text: string): void => terminal.progress(text),
  };
}

function report(streams: readonly BackedUpStream[]) {
  return {
    streams: streams.map(({ name, state, fileBytes }) => ({
      ...{ name, messages: state.messages, bytes: state.bytes, fileBytes },
    })),
  };
}

function summary(streams: readonly BackedUpStream[]): string {
  const messages = streams.reduce((sum, { state }) => sum + state.messages, 0);
  return `${count(streams.length, 'stream')} with ${count(messages, 'message')}`;
}

function formatStreams(streams: readonly BackedUpStream[], style: Style): string {
  const sorted = [...streams].sort((one, other) => (one.name < other.name ? -1 : 1));
  return formatTable<BackedUpStream>(
    [
      { title: 'STREAM', cell: ({ name }) => style.bold(name) },
      { title: 'MESSAGES', align: 'right', cell: ({ state }) => String(state.messages) },
      { title: 'BYTES', align: 'right', cell: ({ state }) => formatBytes(state.bytes) },
      { title: 'FILE', align: 'right', cell: ({ fileBytes }) => formatBytes(fileBytes) },
    ],
    sorted,
    style,
  );
}

/**
 * Installs the NATS server from the distribution's package on Debian and Ubuntu: download and
 * unpack, without root and without touching the machine's package state.
 *
 * First with the machine's package lists; where those are missing or stale, with lists of our own.
 */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LOCAL_LIMITS } from '../../limits';
import type { CommandOutcome } from './run-command';
import { runCommand } from './run-command';

export type InstallOutcome =
  { readonly kind: 'installed' } | { readonly kind: 'failed'; readonly reason: string };

export interface InstallOptions {
  /** The package is unpacked into this folder, all or nothing. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly report: (line: string) => void;
}

type Apt = (args: readonly string[]) => Promise<CommandOutcome>;

export async function installNatsServer(options: InstallOptions): Promise<InstallOutcome> {
  const missing = await missingTool(options.env);
  if (missing !== undefined) {
    return { kind: 'failed', reason: `${missing} is not on this machine` };
  }
  mkdirSync(dirname(options.folder), { recursive: true });
  const work = mkdtempSync(`${options.folder}-`);
  try {
    options.report('downloading the nats-server package of this distribution');
    const reason = await download(work, options);
    if (reason !== undefined) return { kind: 'failed', reason };
    return await unpack(work, options);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function missingTool(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const timeoutMs = LOCAL_LIMITS.versionProbeMs;
  for (const tool of ['apt-get', 'dpkg-deb']) {
    const outcome = await runCommand(tool, ['--version'], { timeoutMs, env });
    if (outcome.status !== 0) return tool;
  }
  return undefined;
}

/** Answers why it failed, or undefined once a package lies in the folder. */
async function download(work: string, options: InstallOptions): Promise<string | undefined> {
  const first = await apt(work, options, [])(['download', 'nats-server']);
  if (first.status === 0 && packageIn(work) !== undefined) return undefined;

  options.report('reading the package lists of this distribution first');
  const lists = join(work, 'lists');
  const cache = join(work, 'cache');
  mkdirSync(join(lists, 'partial'), { recursive: true });
  mkdirSync(join(cache, 'archives', 'partial'), { recursive: true });
  const own = apt(work, options, [`Dir::State::Lists=${lists}`, `Dir::Cache=${cache}`]);
  const update = await own(['update']);
  const second = await own(['download', 'nats-server']);
  if (second.status === 0 && packageIn(work) !== undefined) return undefined;
  return lastLine(second.errors) ?? lastLine(update.errors) ?? 'apt-get download failed';
}

function apt(work: string, options: InstallOptions, settings: readonly string[]): Apt {
  // As root, apt would download as another user, who may not write to our folder.
  const user = process.getuid?.() === 0 ? ['APT::Sandbox::User=root'] : [];
  const all = ['Acquire::Languages=none', 'Acquire::Retries=2', ...user, ...settings];
  const flags = ['-qq', ...all.flatMap((setting) => ['-o', setting])];
  const env = { ...options.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  const timeoutMs = LOCAL_LIMITS.installStepMs;
  return (args) => runCommand('apt-get', [...flags, ...args], { timeoutMs, cwd: work, env });
}

async function unpack(work: string, options: InstallOptions): Promise<InstallOutcome> {
  const unpacked = join(work, 'unpacked');
  const file = join(work, packageIn(work) ?? '');
  const outcome = await runCommand('dpkg-deb', ['-x', file, unpacked], {
    timeoutMs: LOCAL_LIMITS.installStepMs,
    env: options.env,
  });
  if (outcome.status !== 0) {
    return { kind: 'failed', reason: lastLine(outcome.errors) ?? 'dpkg-deb failed' };
  }
  // Another llmos may have installed it since we began: theirs is as good, and maybe in use.
  if (!isNewerThan(options.folder, work)) {
    rmSync(options.folder, { recursive: true, force: true });
    renameSync(unpacked, options.folder);
  }
  return { kind: 'installed' };
}

function isNewerThan(folder: string, work: string): boolean {
  const [theirs, ours] = [folder, work].map((path) => statSync(path, { throwIfNoEntry: false }));
  return theirs !== undefined && ours !== undefined && theirs.ctimeMs > ours.birthtimeMs;
}

function packageIn(work: string): string | undefined {
  return readdirSync(work).find((name) => name.endsWith('.deb'));
}

function lastLine(text: string): string | undefined {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .at(-1);
}

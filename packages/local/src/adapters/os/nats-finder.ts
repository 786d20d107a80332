/**
 * Finds a NATS server: on the PATH and in the folders where systems put servers, in our cache, or
 * installs one there from the distribution's package (debian-package.ts).
 *
 * A server that is too old is passed over, and named where nothing better is found.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { LlmosError } from '@llmos/base';
import { LOCAL_LIMITS } from '../../limits';
import {
  OLDEST_NATS_VERSION,
  formatNatsVersion,
  isNatsVersionAccepted,
  parseNatsVersion,
} from '../../nats/nats-version';
import type { NatsVersion } from '../../nats/nats-version';
import { installNatsServer } from './debian-package';
import { cacheFolder } from './folders';
import { runCommand } from './run-command';

export interface NatsProgram {
  readonly path: string;
  readonly version: NatsVersion;
  readonly origin: 'path' | 'cache' | 'installed';
}

export interface FindNatsOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Holds `nats-server/`; default: the project's cache. */
  readonly cacheFolder?: string;
  /** Looked into after the PATH. */
  readonly systemFolders?: readonly string[];
  /** Told what takes time, in a few words. */
  readonly report?: (line: string) => void;
  /** Default true. */
  readonly mayInstall?: boolean;
}

/** A user's PATH often leaves these out. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/opt/homebrew/bin'];

/** Throws FAILED_PRECONDITION with the commands to run where no server can be had. */
export async function findNatsServer(options: FindNatsOptions = {}): Promise<NatsProgram> {
  const env = options.env ?? process.env;
  const report = options.report ?? (() => undefined);
  const cache = join(options.cacheFolder ?? cacheFolder(env), 'nats-server');
  const refused: string[] = [];
  const tryFile = async (
    path: string,
    origin: NatsProgram['origin'],
  ): Promise<NatsProgram | undefined> => {
    if (!isExecutable(path)) return undefined;
    const version = await versionOf(path);
    if (version !== undefined && isNatsVersionAccepted(version)) return { path, version, origin };
    const found = version === undefined ? 'does not say its version' : formatNatsVersion(version);
    refused.push(`${path} (${found})`);
    return undefined;
  };

  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const folder of new Set([...folders, ...(options.systemFolders ?? SYSTEM_FOLDERS)])) {
    const found = await tryFile(join(folder, 'nats-server'), 'path');
    if (found !== undefined) return found;
  }
  for (const path of [join(cache, 'nats-server'), installedFile(cache)]) {
    const found = await tryFile(path, 'cache');
    if (found !== undefined) return found;
  }
  if (options.mayInstall === false) throw notFound({ refused, reason: undefined });

  const installed = await installNatsServer({ folder: cache, env, report });
  if (installed.kind === 'failed') throw notFound({ refused, reason: installed.reason });
  const found = await tryFile(installedFile(cache), 'installed');
  if (found === undefined) throw notFound({ refused, reason: undefined });
  return found;
}

/** Where the distribution's package puts the server, below the folder it is unpacked into. */
function installedFile(cache: string): string {
  return join(cache, 'usr', 'sbin', 'nats-server');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

async function versionOf(path: string): Promise<NatsVersion | undefined> {
  const { versionProbeMs } = LOCAL_LIMITS;
  const outcome = await runCommand(path, ['--version'], { timeoutMs: versionProbeMs });
  return outcome.status === 0 ? parseNatsVersion(outcome.output) : undefined;
}

function notFound(of: { refused: readonly string[]; reason: string | undefined }): LlmosError {
  const oldest = formatNatsVersion(OLDEST_NATS_VERSION);
  const lines = [
    `no NATS server ${oldest} or newer was found`,
    ...(of.refused.length === 0 ? [] : [`  refused: ${of.refused.join(', ')}`]),
    ...(of.reason === undefined ? [] : [`  installing it failed: ${of.reason}`]),
    'Install one and try again:',
    '  Debian, Ubuntu   sudo apt-get update && sudo apt-get install nats-server',
    '  macOS            brew install nats-server',
    '  with Go          go install github.com/nats-io/nats-server/v2@latest',
    'or use a server that runs already: llmos up --nats nats://HOST:4222',
  ];
  return new LlmosError('FAILED_PRECONDITION', lines.join('\n'), {
    details: { refused: of.refused },
  });
}

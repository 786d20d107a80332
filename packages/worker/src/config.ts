/** The worker's settings, resolved once from the environment; every field is set. */
import { homedir, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { LogLevel, NodeId } from '@llmos/base';
import {
  LOG_LEVELS,
  LlmosError,
  quoteShort,
  readServers,
  readWrongClock,
  tryToken,
} from '@llmos/base';
import { PROCESS_LIMITS } from '@llmos/process';
import { readAddress } from '@llmos/wire';
import type { DeviceChoice } from './agent/device-choice';
import { DEVICE_CHOICES } from './agent/device-choice';
import { AGENT_LIMITS, HOST_LIMITS } from './limits';

export interface WorkerConfig {
  readonly node: NodeId;
  /** NATS. */
  readonly servers: readonly string[];
  readonly logLevel: LogLevel;
  readonly httpHost: string;
  /** 0: any free one. */
  readonly httpPort: number;
  readonly device: DeviceChoice;
  readonly cacheFolder: string;
  readonly cacheBytes: number;
  /** Absent: what was probed. */
  readonly memoryBytes?: number;
  /** Between two chunks of a stream, for each stream that runs in the process. */
  readonly chunkMs: number;
  /** How far threads that run models stand behind all others of the machine, 0 to 19. */
  readonly modelNiceness: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Absent: the leader's record in NATS says it. */
  readonly kernelUrl?: string;
  /** Tests only: so much are the wall clocks of this program and its hosts ahead. */
  readonly faultClockMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws INVALID_ARGUMENT that names the setting and its value. */
export function parseWorkerConfig(env: Environment): WorkerConfig {
  const read = (name: string): string | undefined => {
    const value = env[name]?.trim();
    return value === '' ? undefined : value;
  };
  const memoryBytes = readBytes(read, 'LLMOS_MEMORY_BYTES');
  const kernelUrl = readKernelUrl(read('LLMOS_KERNEL_URL'));
  return {
    node: readNode(read('LLMOS_NODE')),
    servers: readServers('LLMOS_SERVERS', read('LLMOS_SERVERS')),
    logLevel: readChoice(read, 'LLMOS_LOG_LEVEL', LOG_LEVELS) ?? 'info',
    httpHost: read('LLMOS_HTTP_HOST') ?? '127.0.0.1',
    httpPort: readPort(read('LLMOS_HTTP_PORT')),
    device: readChoice(read, 'LLMOS_DEVICE', DEVICE_CHOICES) ?? 'auto',
    cacheFolder: resolve(read('LLMOS_CACHE_DIR') ?? defaultCacheFolder(env)),
    cacheBytes: readBytes(read, 'LLMOS_CACHE_BYTES') ?? AGENT_LIMITS.defaultCacheBytes,
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    chunkMs: readChunkMs(read('LLMOS_CHUNK_MS')),
    modelNiceness: readNiceness(read('LLMOS_MODEL_NICE')),
    labels: readLabels(read('LLMOS_LABELS')),
    ...(kernelUrl === undefined ? {} : { kernelUrl }),
    faultClockMs: readFaultClock(env['LLMOS_FAULT_CLOCK_MS']),
  };
}

type Read = (name: string) => string | undefined;

function refuse(name: string, value: string, rule: string): never {
  throw new LlmosError('INVALID_ARGUMENT', `${name} is ${quoteShort(value)}: ${rule}`);
}

function readNode(value: string | undefined): NodeId {
  if (value !== undefined) {
    return tryToken<NodeId>(value) ?? refuse('LLMOS_NODE', value, 'must match [A-Za-z0-9_-]{1,64}');
  }
  const token = hostname()
    .replaceAll(/[^A-Za-z0-9_-]/g, '-')
    .slice(0, 64);
  return tryToken<NodeId>(token) ?? ('node' as NodeId);
}

function readChoice<T extends string>(read: Read, name: string, choices: readonly T[]) {
  const value = read(name);
  if (value === undefined) return undefined;
  const found = choices.find((choice) => choice === value);
  return found ?? refuse(name, value, `must be one of ${choices.join(', ')}`);
}

function readPort(value: string | undefined): number {
  if (value === undefined) return 0;
  const port = /^\d{1,5}$/.test(value) ? Number(value) : Infinity;
  return port <= 65535 ? port : refuse('LLMOS_HTTP_PORT', value, 'must be from 0 to 65535');
}

function readChunkMs(value: string | undefined): number {
  if (value === undefined) return PROCESS_LIMITS.chunkMs;
  const most = PROCESS_LIMITS.mostChunkMs;
  const chunkMs = /^\d{1,6}$/.test(value) ? Number(value) : Infinity;
  return chunkMs <= most ? chunkMs : refuse('LLMOS_CHUNK_MS', value, `must be from 0 to ${most}`);
}

function readNiceness(value: string | undefined): number {
  if (value === undefined) return HOST_LIMITS.modelNiceness;
  const niceness = /^\d{1,2}$/.test(value) ? Number(value) : Infinity;
  return niceness <= 19 ? niceness : refuse('LLMOS_MODEL_NICE', value, 'must be from 0 to 19');
}

function readFaultClock(value: string | undefined): number {
  const rule = 'must be a number of milliseconds';
  return readWrongClock(value) ?? refuse('LLMOS_FAULT_CLOCK_MS', value ?? '', rule);
}

function readBytes(read: Read, name: string): number | undefined {
  const value = read(name);
  if (value === undefined) return undefined;
  const bytes = /^\d{1,16}$/.test(value) ? Number(value) : 0;
  return bytes > 0 ? bytes : refuse(name, value, 'must be a number of bytes above 0');
}

function readKernelUrl(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  return readAddress(value) ?? refuse('LLMOS_KERNEL_URL', value, 'must be HOST:PORT');
}

function readLabels(value: string | undefined): Record<string, string> {
  const { maxLabels, maxLabelChars } = AGENT_LIMITS;
  const pairs = (value ?? '').split(',').filter((pair) => pair.trim() !== '');
  if (pairs.length > maxLabels) {
    refuse('LLMOS_LABELS', value ?? '', `must have at most ${maxLabels} labels`);
  }
  const label = new RegExp(
    `^([A-Za-z0-9._/-]{1,${maxLabelChars}})=([A-Za-z0-9._-]{0,${maxLabelChars}})$`,
  );
  return Object.fromEntries(
    pairs.map((pair) => {
      const match = label.exec(pair.trim());
      if (match === null) refuse('LLMOS_LABELS', pair, 'must be NAME=VALUE');
      return [match[1], match[2]] as const;
    }),
  ) as Record<string, string>;
}

function defaultCacheFolder(env: Environment): string {
  const home = env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return join(home, 'llmos', 'packages');
}

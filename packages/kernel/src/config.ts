/** The kernel's settings, read once from the environment; what can't be read stops the program. */
import { randomBytes } from 'node:crypto';
import type { KernelId, LogLevel } from '@llmos/base';
import {
  LOG_LEVELS,
  LlmosError,
  WIRE_LIMITS,
  quoteShort,
  readWrongClock,
  readServers,
  tryToken,
} from '@llmos/base';
import { HIDDEN_MARK } from './adapters/jetstream/hidden-streams';
import { STORE_NAMES } from './adapters/jetstream/streams';
import { EDGE_LIMITS } from './edge-limits';

export interface KernelConfig {
  readonly servers: readonly string[];
  readonly kernelId: KernelId;
  readonly logLevel: LogLevel;
  readonly httpHost: string;
  readonly httpPort: number;
  /** What `info` and the leader's record show; undefined: the address listened at. */
  readonly httpUrl: string | undefined;
  readonly grpcHost: string;
  readonly grpcPort: number;
  /** `host:port` that node agents dial; undefined: the address listened at. */
  readonly grpcUrl: string | undefined;
  readonly leaseMs: number;
  readonly nodeLeaseMs: number;
  readonly processSilenceMs: number;
  readonly storageBytes: number;
  /** Streams, buckets and object stores to make anew, empty, where they are lost. */
  readonly makeAnew: readonly string[];
  /** Undefined: a share of the heap. */
  readonly bodyCacheBytes: number | undefined;
  readonly resultMaxAgeMs: number;
  /** After how long the last messages of each store are noted as safe on the server's disk. */
  readonly sequenceNoteMs: number;
  readonly connectWaitMs: number;
  /** How long package files that no model names are kept. */
  readonly packageGraceMs: number;
  /** Tests only: share of mailbox and report messages that are dropped. */
  readonly faultDropRate: number;
  /** Tests only: so much is this program's wall clock ahead. */
  readonly faultClockMs: number;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Throws an LlmosError INVALID_ARGUMENT that names the variable and its value. */
export function readKernelConfig(environment: Environment): KernelConfig {
  const read = new SettingReader(environment);
  return {
    servers: read.servers('LLMOS_SERVERS'),
    kernelId: read.kernelId('LLMOS_KERNEL_ID'),
    logLevel: read.logLevel('LLMOS_LOG_LEVEL'),
    httpHost: read.text('LLMOS_HTTP_HOST') ?? '127.0.0.1',
    httpPort: read.integer('LLMOS_HTTP_PORT', { fallback: 0, least: 0, most: 65_535 }),
    httpUrl: read.text('LLMOS_HTTP_URL'),
    grpcHost: read.text('LLMOS_GRPC_HOST') ?? '127.0.0.1',
    grpcPort: read.integer('LLMOS_GRPC_PORT', { fallback: 0, least: 0, most: 65_535 }),
    grpcUrl: read.text('LLMOS_GRPC_URL'),
    leaseMs: read.integer('LLMOS_LEASE_MS', { fallback: 5_000, least: 300, most: 600_000 }),
    nodeLeaseMs: read.integer('LLMOS_NODE_LEASE_MS', {
      fallback: 5_000,
      least: 300,
      most: 600_000,
    }),
    processSilenceMs: read.integer('LLMOS_PROCESS_SILENCE_MS', {
      fallback: 30_000,
      // Processes say something each second.
      least: 3_000,
      most: 600_000,
    }),
    storageBytes: read.integer('LLMOS_STORAGE_BYTES', {
      fallback: EDGE_LIMITS.storageBytes,
      least: EDGE_LIMITS.leastStorageBytes,
    }),
    makeAnew: read.names('LLMOS_MAKE_ANEW', [...STORE_NAMES, HIDDEN_MARK]),
    bodyCacheBytes: read.optionalInteger('LLMOS_BODY_CACHE_BYTES'),
    resultMaxAgeMs: read.integer('LLMOS_RESULT_MAX_AGE_MS', {
      fallback: WIRE_LIMITS.resultMaxAgeMs,
      // A task's lifetime is at most half as long.
      least: 2 * WIRE_LIMITS.maxTimeoutMs,
    }),
    sequenceNoteMs: read.integer('LLMOS_SEQUENCE_NOTE_MS', {
      fallback: EDGE_LIMITS.sequenceNoteMs,
      least: 1_000,
      // Node's timers count no further.
      most: 2 ** 31 - 1,
    }),
    connectWaitMs: read.integer('LLMOS_CONNECT_WAIT_MS', {
      fallback: EDGE_LIMITS.connectWaitMs,
      least: 0,
    }),
    packageGraceMs: read.integer('LLMOS_PACKAGE_GRACE_MS', {
      fallback: EDGE_LIMITS.packageGraceMs,
      least: 1_000,
    }),
    faultDropRate: read.share('LLMOS_FAULT_DROP_RATE'),
    faultClockMs: read.aheadMs('LLMOS_FAULT_CLOCK_MS'),
  };
}

class SettingReader {
  constructor(private readonly environment: Environment) {}

  text(name: string): string | undefined {
    const value = this.environment[name]?.trim();
    return value === undefined || value === '' ? undefined : value;
  }

  servers(name: string): readonly string[] {
    return readServers(name, this.text(name));
  }

  /** Comma-separated, each one of those that are known. */
  names(name: string, known: readonly string[]): readonly string[] {
    const value = this.text(name) ?? '';
    const names = value.split(',').map((part) => part.trim());
    const given = names.filter((part) => part !== '');
    if (given.every((part) => known.includes(part))) return given;
    return this.refuse(name, value, `it may name ${known.join(', ')}`);
  }

  kernelId(name: string): KernelId {
    const value = this.text(name) ?? `kernel-${randomBytes(4).toString('hex')}`;
    return (
      tryToken<KernelId>(value) ?? this.refuse(name, value, 'it must match [A-Za-z0-9_-]{1,64}')
    );
  }

  logLevel(name: string): LogLevel {
    const value = this.text(name) ?? 'info';
    const level = LOG_LEVELS.find((known) => known === value);
    return level ?? this.refuse(name, value, `it must be one of ${LOG_LEVELS.join(', ')}`);
  }

  integer(
    name: string,
    of: { readonly fallback: number; readonly least: number; readonly most?: number },
  ): number {
    const value = this.text(name);
    if (value === undefined) return of.fallback;
    const most = of.most ?? Number.MAX_SAFE_INTEGER;
    const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= of.least && number <= most) return number;
    return this.refuse(name, value, `it must be an integer from ${of.least} to ${most}`);
  }

  optionalInteger(name: string): number | undefined {
    return this.text(name) === undefined
      ? undefined
      : this.integer(name, { fallback: 0, least: 0 });
  }

  share(name: string): number {
    const value = this.text(name);
    if (value === undefined) return 0;
    const number = /^\d*\.?\d+$/.test(value) ? Number(value) : Number.NaN;
    return number >= 0 && number < 1
      ? number
      : this.refuse(name, value, 'it must be from 0 to below 1');
  }

  aheadMs(name: string): number {
    const value = this.text(name);
    const rule = 'it must be a number of milliseconds';
    return readWrongClock(value) ?? this.refuse(name, value ?? '', rule);
  }

  private refuse(name: string, value: string, rule: string): never {
    throw new LlmosError('INVALID_ARGUMENT', `${name} is ${quoteShort(value)}: ${rule}`);
  }
}

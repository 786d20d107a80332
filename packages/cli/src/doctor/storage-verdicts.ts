/** Room: on the disk, in the streams, and how long it lasts. Pure. */
import { STREAMS } from '@llmos/base';
import { LOCAL_LIMITS } from '@llmos/local';
import type { StreamDescription } from '@llmos/sdk';
import { formatBytes } from '../output/units';
import type { Check } from './check';
import { ok, problem, warning } from './check';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export const STORAGE_LIMITS = {
  /** Less stops JetStream soon: `llmos up` writes queues, results, models and logs. */
  leastDiskBytes: 512 * MIB,
  /** The default budget of the streams is 8 GiB; below this it can't be used up. */
  amplyDiskBytes: 4096 * MIB,
  /** A full stream of results stops commits, so it is said before. */
  fillWarning: 0.8,
  /** Whoever looks once a day sees it in time. */
  fullWarningMs: DAY_MS,
} as const;

/** Of the system in a state folder: what its streams may take, and what they have. */
export interface LocalStore {
  readonly streamBytes: number;
  readonly streamUsedBytes: number;
}

/** The disk of the system that runs here. */
export interface LocalDisk {
  readonly folder: string;
  readonly freeBytes: number;
}

export function checkDisk({ folder, freeBytes }: LocalDisk, store?: LocalStore): Check {
  const free = `${formatBytes(freeBytes)} free in ${folder}`;
  const advice = 'make room, or choose another folder with --data DIR or LLMOS_DATA_DIR';
  if (store === undefined) {
    if (freeBytes < STORAGE_LIMITS.leastDiskBytes) return problem('disk', free, advice);
    return freeBytes < STORAGE_LIMITS.amplyDiskBytes
      ? warning('disk', free, advice)
      : ok('disk', free);
  }
  const { streamBytes, streamUsedBytes } = store;
  const level = `the streams hold ${formatBytes(streamUsedBytes)} of ${formatBytes(streamBytes)}`;
  const found = `${free}; ${level}`;
  if (isFull(freeBytes)) return problem('disk', found, fullDiskAdvice({ folder, freeBytes }));
  if (freeBytes < STORAGE_LIMITS.leastDiskBytes) {
    return problem('disk', found, 'make room: soon nothing more can be stored');
  }
  const missingBytes = streamBytes - streamUsedBytes - freeBytes;
  if (missingBytes <= 0) return ok('disk', found);
  const short = `make room: the disk is full ${formatBytes(missingBytes)} before the streams are`;
  return warning('disk', found, short);
}

/** As `llmos up` judges it. */
function isFull(freeBytes: number): boolean {
  return freeBytes < LOCAL_LIMITS.fullBytes * LOCAL_LIMITS.roomAgainFactor;
}

/** What to do where something does not answer: nothing else helps while the disk is full. */
export function adviceForSilence(usual: string, disk: LocalDisk | undefined): string {
  return disk !== undefined && isFull(disk.freeBytes) ? fullDiskAdvice(disk) : usual;
}

/** What to do where the streams can't be listed. */
export function adviceForStreams(message: string, disk: LocalDisk | undefined): string {
  // What a server of a cluster says while fewer than half of its servers run.
  const hasNoMajority = message.includes('JetStream system temporarily unavailable');
  return adviceForSilence(
    hasNoMajority
      ? 'the NATS servers of this cluster have no majority: start those that don’t run'
      : 'kernels make them when they start: start one',
    disk,
  );
}

function fullDiskAdvice({ folder, freeBytes }: LocalDisk): string {
  const free = `${formatBytes(freeBytes)} free`;
  return `the disk of ${folder} is full (${free}): make room; a running \`llmos up\` then goes on by itself`;
}

export function adviceForFullStream(name: string): string {
  const raise = 'raise LLMOS_STORAGE_BYTES and start the kernels again';
  if (name === STREAMS.tasks) return `a full one takes nothing new: add workers, or ${raise}`;
  return name === STREAMS.results
    ? `a full one takes nothing new: \`llmos results prune\` makes room, or ${raise}`
    : `a full one takes nothing new: ${raise}`;
}

type Level = Pick<StreamDescription, 'name' | 'discard' | 'bytes' | 'maxBytes'>;

export interface TwoLooks {
  readonly first: readonly Level[];
  readonly second: readonly Level[];
  readonly elapsedMs: number;
  /** Where the server's disk is here. */
  readonly disk?: LocalDisk;
}

/** How long the room lasts at the present rate: of the first that is full, stream or disk. */
export function checkTimeUntilFull(looks: TwoLooks): Check {
  const name = 'until full';
  const { first, second, elapsedMs, disk } = looks;
  const before = new Map(first.map((stream) => [stream.name, stream.bytes]));
  const growing = second.map((stream) => {
    const gainBytes = stream.bytes - (before.get(stream.name) ?? stream.bytes);
    return { stream, bytesPerMs: Math.max(0, gainBytes) / Math.max(1, elapsedMs) };
  });
  const fills = growing
    // One that drops the old never refuses.
    .filter(({ stream }) => stream.discard === 'new' && stream.maxBytes > 0)
    .map(({ stream, bytesPerMs }) => {
      const leftBytes = Math.max(0, stream.maxBytes - stream.bytes);
      return { what: stream.name, leftBytes, bytesPerMs, advice: adviceForFullStream(stream.name) };
    });
  if (disk !== undefined) {
    const bytesPerMs = growing.reduce((sum, each) => sum + each.bytesPerMs, 0);
    const what = `the disk of ${disk.folder}`;
    fills.push({ what, leftBytes: disk.freeBytes, bytesPerMs, advice: 'make room on it' });
  }
  const [soonest] = fills
    .filter(({ bytesPerMs }) => bytesPerMs > 0)
    .map((fill) => ({ ...fill, ms: fill.leftBytes / fill.bytesPerMs }))
    .sort((a, b) => a.ms - b.ms);
  if (soonest === undefined) return ok(name, 'nothing grows just now');
  const rate = `${formatBytes(soonest.bytesPerMs * 1_000)} a second`;
  const found = `${soonest.what} in ${formatSpan(soonest.ms)}, at the present ${rate}`;
  return soonest.ms < STORAGE_LIMITS.fullWarningMs
    ? warning(name, found, soonest.advice)
    : ok(name, found);
}

function formatSpan(ms: number): string {
  if (ms < 2 * MINUTE_MS) return `${Math.round(ms / 1_000)} s`;
  if (ms < 2 * HOUR_MS) return `${Math.round(ms / MINUTE_MS)} min`;
  return ms < 2 * DAY_MS ? `${Math.round(ms / HOUR_MS)} h` : `${Math.round(ms / DAY_MS)} days`;
}

/**
 * How many bytes the streams of a system on one machine may take, and how many its NATS server may
 * store. Decided once, at the first start, from the room on the disk; kept in `storage.json`. Pure.
 *
 * A server without a fixed `max_file_store` judges by what is free when it starts, and some leave
 * out, without a word, streams that reserve more than that. So
 * - P1: what the server may store is above all that its streams reserve, whatever is free;
 * - P2: neither number ever becomes smaller;
 * - P3: a folder that was in use and has no store any more is not begun anew;
 * - P4: a server that misreads what a newer one wrote is never started on it;
 * - P5: a plan that gives the streams more than there is, or ever was, is not believed.
 */
import { LlmosError, quoteShort } from '@llmos/base';
import { LOCAL_LIMITS } from '../limits';
import { parseStoredRecord } from '../stored-record';
import { formatNatsVersion, isAtLeast, parseNatsVersion } from './nats-version';
import type { NatsVersion } from './nats-version';

export interface StoragePlan {
  /** What the kernels share out among the streams: LLMOS_STORAGE_BYTES. */
  readonly streamBytes: number;
  /** What the server may store in all: max_file_store. */
  readonly storeBytes: number;
  /** A kernel has made its stores in this folder. */
  readonly isInUse: boolean;
  /** Of the servers that wrote the store; undefined while none did, or none that is known. */
  readonly newestServer?: NatsVersion;
}

/**
 * From this version on, blocks hold marks of removed messages. An older server takes them for
 * messages: the stream of tasks then begins at sequence 2^62, and what waits is never delivered.
 */
const MARKS_SINCE: NatsVersion = { major: 2, minor: 10, patch: 0 };

/** What lies in the store of a server, whether it restores it or not. */
export interface StoreFiles {
  /** Streams, buckets and object stores. */
  readonly stores: number;
  /** Promised to the streams that have a budget. */
  readonly reservedBytes: number;
  /** Held by the streams that have a budget. */
  readonly streamUsedBytes: number;
  /** Held by everything. */
  readonly usedBytes: number;
  /** Something was written by a server that writes marks of removed messages. */
  readonly hasMarks: boolean;
}

export interface StorageLook {
  /** Of the system: queues, models, logs and caches. */
  readonly folder: string;
  /** On its disk. */
  readonly freeBytes: number;
  /** Of its disk, full or not. */
  readonly diskBytes: number;
  readonly files: StoreFiles;
  /** As LLMOS_STORAGE_BYTES asks; undefined where it is not set. */
  readonly wantedBytes: number | undefined;
}

/**
 * The plan of this start; FAILED_PRECONDITION where there is too little room for a first one, or
 * where the store is gone, or the recorded plan can't be true.
 *
 * @param recorded what an earlier start decided.
 */
export function planStorage(recorded: StoragePlan | undefined, look: StorageLook): StoragePlan {
  const { files } = look;
  if (recorded?.isInUse === true && files.stores === 0) throw storeIsGone(look.folder);
  if (recorded !== undefined) assertPlausible(recorded, look);
  const isInUse = recorded?.isInUse === true || files.stores > 0;
  const before = recorded?.streamBytes ?? (isInUse ? adopted(files) : undefined);
  const streamBytes = before === undefined ? firstStreamBytes(look) : grown(before, look);
  const storeBytes = storeBytesFor(streamBytes, recorded, look);
  const newest = recorded?.newestServer ?? (files.hasMarks ? MARKS_SINCE : undefined);
  const server = newest === undefined ? {} : { newestServer: newest };
  return { streamBytes, storeBytes, isInUse, ...server };
}

/** The plan once this server writes the store; FAILED_PRECONDITION where it would misread it. */
export function planForServer(
  plan: StoragePlan,
  server: { readonly path: string; readonly version: NatsVersion },
): StoragePlan {
  const { newestServer } = plan;
  const { version, path } = server;
  if (newestServer === undefined || isAtLeast(version, newestServer)) {
    return { ...plan, newestServer: version };
  }
  if (isAtLeast(version, MARKS_SINCE) || !isAtLeast(newestServer, MARKS_SINCE)) return plan;
  throw new LlmosError(
    'FAILED_PRECONDITION',
    `the store was written by NATS ${formatNatsVersion(newestServer)}, and NATS ` +
      `${formatNatsVersion(version)} (${path}) would misread it and lose tasks. Nothing was ` +
      `changed; put NATS ${formatNatsVersion(MARKS_SINCE)} or newer first on the PATH`,
  );
}

/**
 * Streams that may grow beyond the disk fill it, instead of refusing what they have no room for. On
 * a smaller disk than the first, streams keep what they reserve (each rounded down).
 */
function assertPlausible({ streamBytes }: StoragePlan, look: StorageLook): void {
  const { folder, diskBytes, files } = look;
  const mostBytes = Math.max(diskBytes, files.reservedBytes + LOCAL_LIMITS.leastStreamBytes);
  if (streamBytes <= mostBytes) return;
  throw new LlmosError(
    'FAILED_PRECONDITION',
    `${folder}/storage.json gives the streams ${mebibytes(streamBytes)}, and its disk has ` +
      `${mebibytes(diskBytes)} in all: remove the file, and the next start makes one from the ` +
      'streams that are there',
    { details: { streamBytes, diskBytes } },
  );
}

/** Of a system from before there were plans: as it is. */
function adopted(files: StoreFiles): number {
  return Math.max(LOCAL_LIMITS.leastStreamBytes, files.reservedBytes);
}

function firstStreamBytes(look: StorageLook): number {
  const { leastStreamBytes, streamBytes, otherBytes, streamShare } = LOCAL_LIMITS;
  const roomBytes = look.freeBytes - otherBytes;
  if (roomBytes < leastStreamBytes) throw tooSmall(look);
  if (look.wantedBytes !== undefined) return Math.min(look.wantedBytes, roomBytes);
  const shareBytes = Math.floor(roomBytes * streamShare);
  return Math.min(streamBytes, Math.max(leastStreamBytes, shareBytes));
}

/** Larger where that is asked for, as far as there is room. */
function grown(before: number, look: StorageLook): number {
  const { wantedBytes = before, freeBytes, files } = look;
  const roomBytes = files.streamUsedBytes + freeBytes - LOCAL_LIMITS.otherBytes;
  return Math.max(before, Math.min(wantedBytes, roomBytes));
}

function storeBytesFor(
  streamBytes: number,
  recorded: StoragePlan | undefined,
  look: StorageLook,
): number {
  const { otherBytes } = LOCAL_LIMITS;
  const { reservedBytes, streamUsedBytes, usedBytes } = look.files;
  // Every stream may be missing and made anew beside what the files of another one reserve.
  const promisedBytes = reservedBytes + streamBytes + (usedBytes - streamUsedBytes) + otherBytes;
  const roomBytes = usedBytes + look.freeBytes - otherBytes;
  return Math.max(recorded?.storeBytes ?? 0, promisedBytes, roomBytes);
}

function tooSmall(look: StorageLook): LlmosError {
  const { leastStreamBytes, otherBytes } = LOCAL_LIMITS;
  const neededBytes = leastStreamBytes + otherBytes;
  return new LlmosError(
    'FAILED_PRECONDITION',
    `the disk of ${look.folder} has ${mebibytes(look.freeBytes)} free, and a system needs ` +
      `${mebibytes(neededBytes)} at least: ${mebibytes(leastStreamBytes)} for its streams ` +
      `(LLMOS_STORAGE_BYTES) and ${mebibytes(otherBytes)} for models and logs. ` +
      'Make room, or choose a folder on another disk with --data DIR or LLMOS_DATA_DIR',
    { details: { freeBytes: look.freeBytes, neededBytes } },
  );
}

function storeIsGone(folder: string): LlmosError {
  return new LlmosError(
    'FAILED_PRECONDITION',
    `the store of this system is gone: ${folder}/nats holds no stream, and it did when the ` +
      'system ran last. Put the folder back, or restore a backup. To begin anew, without the ' +
      `tasks, results and models that it held, remove ${folder}/storage.json`,
    { details: { folder } },
  );
}

/** Throws FAILED_PRECONDITION where the disk is so full that a server can't start on it. */
export function assertRoomToStart(folder: string, freeBytes: number): void {
  const { startBytes } = LOCAL_LIMITS;
  if (freeBytes >= startBytes) return;
  throw new LlmosError(
    'FAILED_PRECONDITION',
    `the disk of ${folder} is full: ${mebibytes(freeBytes)} free, and ${mebibytes(startBytes)} ` +
      'are needed to start. What is stored there is safe; make room and start again',
    { details: { freeBytes, neededBytes: startBytes } },
  );
}

/** undefined where it is not set. Throws INVALID_ARGUMENT that names the value. */
export function parseWantedBytes(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const bytes = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  const { leastStreamBytes } = LOCAL_LIMITS;
  if (Number.isSafeInteger(bytes) && bytes >= leastStreamBytes) return bytes;
  const rule = `it must be an integer of at least ${leastStreamBytes}`;
  throw new LlmosError('INVALID_ARGUMENT', `LLMOS_STORAGE_BYTES is ${quoteShort(text)}: ${rule}`);
}

export function formatStoragePlan(plan: StoragePlan): string {
  const { newestServer, ...rest } = plan;
  const server = newestServer === undefined ? {} : { server: formatNatsVersion(newestServer) };
  return `${JSON.stringify({ version: 1, ...rest, ...server })}\n`;
}

/** undefined for whatever is no such plan. */
export function parseStoragePlan(text: string): StoragePlan | undefined {
  const value = parseStoredRecord(text);
  if (value === undefined) return undefined;
  const { streamBytes, storeBytes, isInUse, server } = value;
  if (!isByteCount(streamBytes) || !isByteCount(storeBytes)) return undefined;
  if (typeof isInUse !== 'boolean') return undefined;
  if (server === undefined) return { streamBytes, storeBytes, isInUse };
  const newestServer = typeof server === 'string' ? parseNatsVersion(server) : undefined;
  return newestServer && { streamBytes, storeBytes, isInUse, newestServer };
}

function isByteCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= LOCAL_LIMITS.leastStreamBytes;
}

/** Rounded up. */
function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}

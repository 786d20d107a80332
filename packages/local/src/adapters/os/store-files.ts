/** What lies on the disk of a system on one machine: its plan of storage, and its server's store. */
import { existsSync, readFileSync, readdirSync, statSync, statfsSync } from 'node:fs';
import type { StatsFs } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { LlmosError, isRecord } from '@llmos/base';
import { formatStoragePlan, parseStoragePlan } from '../../nats/storage-plan';
import type { StoragePlan, StoreFiles } from '../../nats/storage-plan';
import { writeWholeFile } from './whole-file';

/** Of the NATS server that `up` starts. */
export function natsStoreFolder(dataFolder: string): string {
  return join(dataFolder, 'nats');
}

const PLAN_FILE = 'storage.json';

/** Of the disk that the folder lies on, or will lie on; without what is kept for the root user. */
export function freeBytesOf(folder: string): number {
  const { bavail, bsize } = diskOf(folder);
  return bavail * bsize;
}

/** Of the same disk, full or not. */
export function diskBytesOf(folder: string): number {
  const { blocks, bsize } = diskOf(folder);
  return blocks * bsize;
}

function diskOf(folder: string): StatsFs {
  let existing = resolve(folder);
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  return statfsSync(existing);
}

/** undefined where there is none. Throws FAILED_PRECONDITION where it can't be understood. */
export function readStoragePlan(folder: string): StoragePlan | undefined {
  const file = join(folder, PLAN_FILE);
  if (!existsSync(file)) return undefined;
  const plan = parseStoragePlan(readPlanFile(file));
  if (plan !== undefined) return plan;
  const message =
    `${file} is no plan of storage that this version reads: remove it, and the next start makes ` +
    'one from the streams that are there';
  throw new LlmosError('FAILED_PRECONDITION', message);
}

function readPlanFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LlmosError('FAILED_PRECONDITION', `${file} can't be read: ${reason}`, { cause });
  }
}

export function writeStoragePlan(folder: string, plan: StoragePlan): void {
  writeWholeFile(join(folder, PLAN_FILE), formatStoragePlan(plan));
}

/** Reads the folder that a NATS server was given: `jetstream/ACCOUNT/streams/NAME/meta.inf`. */
export function readStoreFiles(storeFolder: string): StoreFiles {
  const found = { stores: 0, reservedBytes: 0, streamUsedBytes: 0, usedBytes: 0, hasMarks: false };
  const jetstream = join(storeFolder, 'jetstream');
  for (const account of entriesOf(jetstream)) {
    const streams = join(jetstream, account, 'streams');
    for (const name of entriesOf(streams)) {
      const budgetBytes = budgetIn(join(streams, name, 'meta.inf'));
      if (budgetBytes === undefined) continue;
      const usedBytes = sizeOf(join(streams, name));
      found.stores += 1;
      found.reservedBytes += budgetBytes;
      found.usedBytes += usedBytes;
      if (budgetBytes > 0) found.streamUsedBytes += usedBytes;
      // Of the state of a stream, since blocks hold marks of removed messages.
      found.hasMarks ||= existsSync(join(streams, name, 'msgs', 'index.db'));
    }
  }
  return found;
}

/** 0 for a store without a budget; undefined where the file is none of a store. */
function budgetIn(metaFile: string): number | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(metaFile, 'utf8'));
    if (!isRecord(value) || typeof value['name'] !== 'string') return undefined;
    const bytes = value['max_bytes'];
    return typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes > 0 ? bytes : 0;
  } catch {
    return undefined;
  }
}

/** Of all files below; those that go away meanwhile count nothing. */
function sizeOf(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) return stats.size;
  return entriesOf(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Plans the storage of a system on one machine at its start, and keeps the plan in its folder. */
import { planStorage, parseWantedBytes } from '../../nats/storage-plan';
import { LOCAL_LIMITS } from '../../limits';
import type { StoragePlan } from '../../nats/storage-plan';
import type { ReportNotice } from '../../programs/system-notice';
import { natsStoreFolder } from './local-nats';
import { freeBytesOf, readStoragePlan, readStoreFiles, writeStoragePlan } from './store-files';

export interface LocalStorageOptions {
  readonly folder: string;
  /** LLMOS_STORAGE_BYTES. */
  readonly wanted: string | undefined;
  readonly report: ReportNotice;
}

export interface LocalStorage {
  readonly plan: StoragePlan;
  /** Once a kernel has made its stores: from now on a folder without any has lost them. */
  markInUse(): void;
}

/** Throws INVALID_ARGUMENT or FAILED_PRECONDITION, see storage-plan.ts. */
export function openLocalStorage(options: LocalStorageOptions): LocalStorage {
  const { folder, report } = options;
  const wantedBytes = parseWantedBytes(options.wanted);
  const recorded = readStoragePlan(folder);
  const files = readStoreFiles(natsStoreFolder(folder));
  const freeBytes = freeBytesOf(folder);
  const plan = planStorage(recorded, { folder, freeBytes, files, wantedBytes });
  write(folder, plan, recorded);
  const askedBytes = wantedBytes ?? (recorded === undefined ? LOCAL_LIMITS.streamBytes : undefined);
  if (askedBytes !== undefined && askedBytes !== plan.streamBytes) {
    const { streamBytes } = plan;
    report({ kind: 'storage-fitted', streamBytes, wantedBytes: askedBytes, freeBytes });
  }
  return {
    plan,
    markInUse: () => write(folder, { ...plan, isInUse: true }, plan),
  };
}

function write(folder: string, plan: StoragePlan, before: StoragePlan | undefined): void {
  const isSame =
    plan.streamBytes === before?.streamBytes &&
    plan.storeBytes === before.storeBytes &&
    plan.isInUse === before.isInUse;
  if (!isSame) writeStoragePlan(folder, plan);
}

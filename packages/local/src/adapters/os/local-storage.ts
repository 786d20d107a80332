/** Plans the storage of a system on one machine at its start, and keeps the plan in its folder. */
import { LOCAL_LIMITS } from '../../limits';
import type { NatsVersion } from '../../nats/nats-version';
import {
  formatStoragePlan,
  parseWantedBytes,
  planForServer,
  planStorage,
} from '../../nats/storage-plan';
import type { StoragePlan } from '../../nats/storage-plan';
import type { ReportNotice } from '../../programs/system-notice';
import {
  diskBytesOf,
  freeBytesOf,
  natsStoreFolder,
  readStoragePlan,
  readStoreFiles,
  writeStoragePlan,
} from './store-files';

export interface LocalStorageOptions {
  readonly folder: string;
  /** LLMOS_STORAGE_BYTES. */
  readonly wanted: string | undefined;
  readonly report: ReportNotice;
}

export interface LocalStorage {
  readonly plan: StoragePlan;
  /** Before this server writes anything. Throws FAILED_PRECONDITION where it would misread it. */
  admitServer(server: { readonly path: string; readonly version: NatsVersion }): void;
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
  const diskBytes = diskBytesOf(folder);
  let plan = planStorage(recorded, { folder, freeBytes, diskBytes, files, wantedBytes });
  const askedBytes = wantedBytes ?? (recorded === undefined ? LOCAL_LIMITS.streamBytes : undefined);
  if (askedBytes !== undefined && askedBytes !== plan.streamBytes) {
    const { streamBytes } = plan;
    report({ kind: 'storage-fitted', streamBytes, wantedBytes: askedBytes, freeBytes });
  }
  const change = (next: StoragePlan, before: StoragePlan | undefined): void => {
    // Not without need: the disk may be full.
    const isSame = before !== undefined && formatStoragePlan(next) === formatStoragePlan(before);
    if (!isSame) writeStoragePlan(folder, next);
    plan = next;
  };
  change(plan, recorded);
  return {
    get plan() {
      return plan;
    },
    admitServer: (server) => change(planForServer(plan, server), plan),
    markInUse: () => change({ ...plan, isInUse: true }, plan),
  };
}

/** The NATS server of a system that is stopped, alone on its store: to read it or to fill it. */
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { LlmosError } from '@llmos/base';
import { startLocalNats } from './adapters/os/local-nats';
import { openLocalStorage } from './adapters/os/local-storage';
import { programFiles } from './adapters/os/program-files';
import { claimStateFolder } from './adapters/os/state-file';
import { natsStoreFolder } from './adapters/os/store-files';
import type { ReportNotice } from './programs/system-notice';

export interface StoppedSystemOptions {
  /** State folder of an `llmos up`; nobody else may use it meanwhile. */
  readonly dataDir: string;
  /** Whether a folder without any store gets one; otherwise that is NOT_FOUND. */
  readonly mayBegin: boolean;
  readonly report: ReportNotice;
  readonly signal?: AbortSignal;
}

export interface StoppedSystem {
  readonly natsUrl: string;
  /** Says that the store holds a system now: a later start without it has lost it. */
  markInUse(): void;
  /** Ends the server and gives the folder free. */
  stop(): Promise<void>;
}

/** Throws FAILED_PRECONDITION where a system runs from the folder. */
export async function openStoppedSystem(options: StoppedSystemOptions): Promise<StoppedSystem> {
  const { report, signal } = options;
  const folder = resolve(options.dataDir);
  if (!options.mayBegin && !existsSync(natsStoreFolder(folder))) {
    throw new LlmosError('NOT_FOUND', `${folder} holds no system: name another with --data DIR`);
  }
  const claim = claimStateFolder(folder);
  try {
    const logFolder = join(folder, 'logs');
    mkdirSync(logFolder, { recursive: true });
    const wanted = process.env['LLMOS_STORAGE_BYTES'];
    const storage = openLocalStorage({ folder, wanted, report });
    const nats = await startLocalNats({
      dataFolder: folder,
      logFolder,
      watchdogFile: programFiles().natsWatchdog,
      storage,
      report,
      ...(signal === undefined ? {} : { signal }),
    });
    const stop = async (): Promise<void> => {
      await nats.stop();
      claim.release();
    };
    return { natsUrl: nats.url, markInUse: () => storage.markInUse(), stop };
  } catch (error) {
    claim.release();
    throw error;
  }
}

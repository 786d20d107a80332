import type { BodyFormat, TenantTask } from '@llmos/base';

export interface StoredResult {
  readonly body: Uint8Array;
  readonly format: BodyFormat;
}

/** Reads committed results, on every kernel. */
export interface ResultStore {
  /** Calls back for every result committed from now on; a lost connection may skip some. */
  watch(onResult: (of: TenantTask, result: StoredResult) => void): Promise<void>;
  /** A read by the stream's leader: what was committed before is found. */
  read(of: TenantTask): Promise<StoredResult | undefined>;
  /** The same for a task that is being stored now: its intake need not read again. */
  readForTask(of: TenantTask): Promise<StoredResult | undefined>;
  close(): Promise<void>;
}

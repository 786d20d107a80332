import type { ResultMarks, TenantId, TenantTask } from '@llmos/base';

export interface StoredResult extends ResultMarks {
  readonly body: Uint8Array;
  /** Where it is; absent in what was never stored. */
  readonly place?: StoredPlace;
}

export interface StoredPlace {
  readonly stream: string;
  readonly sequence: number;
}

/** What a tenant has in one stream of results. */
export interface StoredShare {
  readonly bytes: number;
  /** When the oldest of it was stored. */
  readonly oldestWallMs: number;
}

/** Reads committed results, on every kernel. */
export interface ResultStore {
  /** Calls back for every result committed from now on; a lost connection may skip some. */
  watch(onResult: (of: TenantTask, result: StoredResult) => void): Promise<void>;
  /** A read by the stream's leader: what was committed before is found. */
  read(of: TenantTask): Promise<StoredResult | undefined>;
  /** The same for a task that is being stored now: its intake need not read again. */
  readForTask(of: TenantTask): Promise<StoredResult | undefined>;
  /** Deletes one that was delivered, to make room; rejects where it could not. */
  forget(place: StoredPlace): Promise<void>;
  /** What each tenant has in one of the streams; reads all of it. Rejects where it could not. */
  countShares(stream: string): Promise<Map<TenantId, StoredShare>>;
  close(): Promise<void>;
}

import type { BodyFormat, TaskIdentity, TenantTask } from '@llmos/base';

export interface StoredResult {
  readonly body: Uint8Array;
  readonly format: BodyFormat;
  /** What its id stands for, where the client chose it. */
  readonly identity?: TaskIdentity;
  /** Set where it is no result: a limit refused the task of this sequence in LLMOS_TASKS. */
  readonly refusedSequence?: number;
  /** Where it is; absent in what was never stored. */
  readonly place?: StoredPlace;
}

export interface StoredPlace {
  readonly stream: string;
  readonly sequence: number;
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
  close(): Promise<void>;
}

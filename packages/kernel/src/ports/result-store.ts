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

/** The word that a result was committed: where it is, and what its headers say of it. */
export interface ResultNotice extends ResultMarks {
  readonly place: StoredPlace;
  /** Of its body, whether or not that came along. */
  readonly bodyBytes: number;
  /** Only while the bodies of its stream are wanted. A part of far more: keep a copy. */
  readonly body?: Uint8Array;
}

export interface ResultListener {
  /** Must not throw. */
  onCommitted(of: TenantTask, notice: ResultNotice): void;
  /** Whether bodies are to come along with the notices of this stream; asked every now and then. */
  wantsBodies(stream: string): boolean;
}

/** What a tenant has in one stream of results. */
export interface StoredShare {
  readonly bytes: number;
  /** When the oldest of it was stored. */
  readonly oldestWallMs: number;
}

/** Reads committed results, on every kernel. */
export interface ResultStore {
  /** Tells of every result committed from now on, once; a lost connection may skip some. */
  watch(listener: ResultListener): Promise<void>;
  /** The result that a notice tells of, or what is in its place now. */
  readNoticed(of: TenantTask, place: StoredPlace): Promise<StoredResult | undefined>;
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

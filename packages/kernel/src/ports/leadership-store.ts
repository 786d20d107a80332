import type { KernelId } from '@llmos/base';

/** The record of the leader, as every kernel and node agent reads it. */
export interface LeaderRecord {
  readonly kernelId: KernelId;
  /** Written as 0 in the granting write itself, and read as the revision of that write. */
  readonly epoch: number;
  readonly httpUrl: string;
  readonly grpcUrl: string;
  /** True once the leader gave the lease up; anyone may take it at once. */
  readonly isReleased: boolean;
}

export interface StoredLeader {
  /** Undefined where no kernel can have written it: it grants nothing and releases nothing. */
  readonly record: LeaderRecord | undefined;
  /** Bucket-wide, rises with every write. */
  readonly revision: number;
}

/** Compare-and-set on one key. An outcome `conflict` means that someone else wrote first. */
export interface LeadershipStore {
  read(): Promise<StoredLeader | undefined>;
  /** @param expectedRevision 0 where no record was read. */
  write(
    record: LeaderRecord,
    expectedRevision: number,
  ): Promise<{ kind: 'written'; revision: number } | { kind: 'conflict' }>;
  /** Calls back after each change; only a hint to read. Answers how to stop. */
  watch(onChange: () => void): Promise<() => void>;
}

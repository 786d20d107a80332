import type { LeaderRecord } from '@llmos/base';

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

/** Where this machine keeps model packages: one folder per package digest. */
import type { PackageFile } from '@llmos/base';

export interface StoredPackage {
  readonly digest: string;
  readonly bytes: number;
  readonly usedWallMs: number;
}

/** A package being written; invisible until published. */
export interface PackageDraft {
  /** Throws DATA_LOSS where size or digest differ, RESOURCE_EXHAUSTED where the disk is full. */
  write(file: PackageFile, bytes: AsyncIterable<Uint8Array>): Promise<void>;
  /** Makes it visible at once and completely. Where another program was first, its copy stays. */
  publish(): Promise<void>;
  /** Removes whatever was written. After `publish` it does nothing. */
  discard(): Promise<void>;
}

/**
 * Folders may be shared with other agents of this machine, so any answer can be outdated. What the
 * disk itself refuses is thrown: RESOURCE_EXHAUSTED where it is full, UNAVAILABLE else.
 */
export interface PackageDisk {
  folderOf(digest: string): string;
  /** Reads every byte. `corrupt`: a file is missing, differs, is a link, or does not belong. */
  check(
    digest: string,
    files: readonly PackageFile[],
  ): Promise<
    | { readonly kind: 'valid' }
    | { readonly kind: 'absent' }
    | { readonly kind: 'corrupt'; readonly what: string }
  >;
  list(): Promise<readonly StoredPackage[]>;
  /** Notes that it is used now, for who must make room later. False where it is absent. */
  touch(digest: string): Promise<boolean>;
  remove(digest: string): Promise<void>;
  createDraft(digest: string): Promise<PackageDraft>;
}

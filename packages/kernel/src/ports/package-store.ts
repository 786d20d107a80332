import type { PackageFile } from '@llmos/base';

/** A file that nobody uses, or the pieces of an upload that has no end. */
export interface UnusedItem {
  readonly id: string;
  /** Changes when it is stored anew, or grows. */
  readonly revision: number;
  /** Absent of pieces without a file. */
  readonly sha256?: string;
  /** Subjects that hold it: what names it first. */
  readonly subjects: readonly string[];
}

/** The files of model packages, by digest. Operators write them; the leader removes unused ones. */
export interface PackageStore {
  /** Those of the files whose object is absent or has another size. */
  missing(files: readonly PackageFile[]): Promise<readonly PackageFile[]>;
  /** Objects that are no package files are left out; rejects where there are too many to look at. */
  unused(isUsed: (sha256: string) => boolean): Promise<readonly UnusedItem[]>;
  /** Leaves alone what was stored under the same name meanwhile. */
  remove(item: UnusedItem): Promise<void>;
}

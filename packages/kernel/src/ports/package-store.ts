import type { PackageFile } from '@llmos/base';

/** The files of model packages, by digest. Operators write them; the kernel only looks. */
export interface PackageStore {
  /** Those of the files whose object is absent or has another size. */
  missing(files: readonly PackageFile[]): Promise<readonly PackageFile[]>;
}

/** Reads the files of a model package from where its owner keeps them. */
export interface PackageFolder {
  /**
   * The bytes of a file, from its start. Throws an LlmosError after the last piece where its size
   * or sha256 is not the one expected: the file was changed after the package was checked.
   *
   * @param path relative, with `/`; outside of the folder it is refused.
   */
  open(of: OpenPackageFile): AsyncIterable<Uint8Array>;
}

export interface OpenPackageFile {
  readonly folder: string;
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

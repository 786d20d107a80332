/** The files of model packages, kept by digest for the whole system. */
export interface ModelStore {
  /**
   * The bytes of one file, in order. Nothing is verified here: whoever stores them checks size and
   * digest. Throws NOT_FOUND where no such file is stored, UNAVAILABLE where it can't be read now.
   */
  read(sha256: string): AsyncIterable<Uint8Array>;
}

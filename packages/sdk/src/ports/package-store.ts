/** Where the files of model packages lie, by digest. */
export interface PackageStore {
  /** Whether a complete object of this name and size is there. Throws an LlmosError otherwise. */
  has(of: { readonly name: string; readonly bytes: number }): Promise<boolean>;
  /**
   * Stores an object; it is visible only once complete. Starts over after a failure, within a
   * bound of attempts, then throws an LlmosError.
   *
   * @param open answers the pieces from the start, each time it is called.
   * @param onSent is told the bytes stored so far; they fall back when an attempt starts over.
   */
  put(of: StoreObject): Promise<void>;
}

export interface StoreObject {
  readonly name: string;
  readonly open: () => AsyncIterable<Uint8Array>;
  readonly onSent?: ((sentBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

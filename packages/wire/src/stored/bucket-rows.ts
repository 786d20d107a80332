/** Rows of a bucket within two bounds: their number, and the bytes of their keys and values. */
export class BucketRows<T> {
  private readonly values = new Map<string, T>();
  private readonly sizes = new Map<string, number>();
  private heldBytes = 0;

  constructor(private readonly most: { readonly rows: number; readonly bytes: number }) {}

  get all(): ReadonlyMap<string, T> {
    return this.values;
  }

  get bytes(): number {
    return this.heldBytes;
  }

  /** False where it has no room: the row is left out then, also an earlier value of it. */
  set(key: string, value: T, valueBytes: number): boolean {
    const beforeBytes = this.sizes.get(key);
    const bytes = key.length + valueBytes;
    const rows = this.values.size + (beforeBytes === undefined ? 1 : 0);
    const allBytes = this.heldBytes - (beforeBytes ?? 0) + bytes;
    if (rows > this.most.rows || allBytes > this.most.bytes) {
      this.delete(key);
      return false;
    }
    this.values.set(key, value);
    this.sizes.set(key, bytes);
    this.heldBytes = allBytes;
    return true;
  }

  delete(key: string): void {
    this.heldBytes -= this.sizes.get(key) ?? 0;
    this.sizes.delete(key);
    this.values.delete(key);
  }
}

/**
 * The same bytes, and not much else: what the NATS client hands on are parts of reads of up to
 * 64 KiB, each of which is held as a whole for as long as a part of it is. What is most of a read
 * stays as it is.
 */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  // Small ones share a buffer of a few KiB with others: an ArrayBuffer for each would cost more.
  return bytes.length * 2 < bytes.buffer.byteLength ? Buffer.from(bytes) : bytes;
}

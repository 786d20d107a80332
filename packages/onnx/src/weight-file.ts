/** A file of weights that is being written: tensors are appended in pieces, or placed and filled. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import type { WeightRange } from './weight-range';

/** Offsets are multiples of a page, so that the runtime can map each tensor of its own. */
const ALIGNMENT_BYTES = 4096;

export class WeightFile {
  readonly file: string;
  private readonly fileDescriptor: number;
  private nextOffset = 0;
  private isOpen = true;

  /** Replaces a file that is there. */
  constructor(file: string) {
    this.file = resolve(file);
    this.fileDescriptor = openSync(this.file, 'w');
  }

  /** Bytes so far, room between the tensors included. */
  get byteLength(): number {
    return this.nextOffset;
  }

  /** Room for a tensor, to be filled with `write`. */
  reserve(byteLength: number): WeightRange {
    const offset = alignOffset(this.nextOffset);
    this.nextOffset = offset + byteLength;
    return { file: this.file, offset, byteLength };
  }

  /** @param at bytes from the start of the range. */
  write(range: WeightRange, at: number, bytes: Uint8Array): void {
    if (at < 0 || at + bytes.length > range.byteLength) {
      throw new RangeError(`${bytes.length} bytes at ${at} of a range of ${range.byteLength}`);
    }
    writeFully(this.fileDescriptor, bytes, range.offset + at);
  }

  /** Writes a whole tensor; the pieces must be `byteLength` bytes together. */
  append(byteLength: number, pieces: Iterable<Uint8Array>): WeightRange {
    const range = this.reserve(byteLength);
    let at = 0;
    for (const piece of pieces) {
      this.write(range, at, piece);
      at += piece.length;
    }
    if (at !== byteLength) throw new RangeError(`${at} bytes written of ${byteLength}`);
    return range;
  }

  /** May be called twice. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    closeSync(this.fileDescriptor);
  }
}

/** Where a tensor begins that follows what ends at `offset`. */
export function alignOffset(offset: number): number {
  return Math.ceil(offset / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

export function writeFully(fileDescriptor: number, bytes: Uint8Array, position: number): void {
  let done = 0;
  while (done < bytes.length) {
    done += writeSync(fileDescriptor, bytes, done, bytes.length - done, position + done);
  }
}

/** Elements as the bytes of a file: little-endian, as every machine that runs this is. */
export function bytesOf(elements: ArrayBufferView): Uint8Array {
  return new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
}

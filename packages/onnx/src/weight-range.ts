/** Weights where they lie: a part of a file, read in pieces, never as a whole. */
import { closeSync, openSync, readSync } from 'node:fs';
import { LlmosError } from '@llmos/base';
import { ONNX_LIMITS } from './limits';

export interface WeightRange {
  /** Full path. */
  readonly file: string;
  readonly offset: number;
  readonly byteLength: number;
}

/** The bytes `[start, end)` of a range, in order; a piece is valid until the next one. */
export function* rangePieces(
  range: WeightRange,
  start = 0,
  end: number = range.byteLength,
): Generator<Uint8Array> {
  const fileDescriptor = openSync(range.file, 'r');
  const buffer = new Uint8Array(Math.max(0, Math.min(ONNX_LIMITS.pieceBytes, end - start)));
  try {
    for (let at = start; at < end; at += ONNX_LIMITS.pieceBytes) {
      const piece = buffer.subarray(0, end - at);
      readFully(fileDescriptor, piece, range.offset + at);
      yield piece;
    }
  } finally {
    closeSync(fileDescriptor);
  }
}

/** Fills the buffer from a position. Throws DATA_LOSS where the file ends before. */
export function readFully(fileDescriptor: number, buffer: Uint8Array, position: number): void {
  let done = 0;
  while (done < buffer.length) {
    const count = readSync(fileDescriptor, buffer, done, buffer.length - done, position + done);
    if (count === 0) throw new LlmosError('DATA_LOSS', 'a file of weights ends too early');
    done += count;
  }
}

/** The whole range at once: for tensors that are known to be small. */
export function readRange(range: WeightRange): Uint8Array {
  const fileDescriptor = openSync(range.file, 'r');
  try {
    const bytes = new Uint8Array(range.byteLength);
    readFully(fileDescriptor, bytes, range.offset);
    return bytes;
  } finally {
    closeSync(fileDescriptor);
  }
}

/**
 * Reads protobuf from an open file without loading it: graphs are as large as their weights, and
 * only their names are wanted. Every length is checked against the end of its message.
 */
import { readSync } from 'node:fs';

const BUFFER_BYTES = 64 * 1024;

export class DamagedGraph extends Error {}

export interface FieldHead {
  readonly field: number;
  readonly wire: number;
}

export class FileCursor {
  private readonly buffer = new Uint8Array(BUFFER_BYTES);
  private bufferStart = 0;
  private bufferLength = 0;
  private position = 0;

  constructor(
    private readonly fileDescriptor: number,
    readonly fileBytes: number,
  ) {}

  get at(): number {
    return this.position;
  }

  seek(position: number): void {
    this.position = position;
  }

  /** @param end where the message that holds the field ends. */
  head(end: number): FieldHead {
    const tag = this.varint(end);
    return { field: Math.floor(tag / 8), wire: tag % 8 };
  }

  /** Values beyond 2^53 lose their low bits; lengths and enums never reach that. */
  varint(end: number): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.byte(end);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new DamagedGraph(`a number at byte ${this.position} is too long`);
  }

  /** The end of the message whose length follows. */
  messageEnd(end: number): number {
    const length = this.varint(end);
    if (length > end - this.position) {
      throw new DamagedGraph(`a message at byte ${this.position} claims ${length} bytes`);
    }
    return this.position + length;
  }

  text(end: number, mostBytes: number): string {
    const textEnd = this.messageEnd(end);
    const length = textEnd - this.position;
    if (length > mostBytes) throw new DamagedGraph(`a name of ${length} bytes`);
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index += 1) bytes[index] = this.byte(textEnd);
    return new TextDecoder().decode(bytes);
  }

  skip(wire: number, end: number): void {
    if (wire === 0) this.varint(end);
    else if (wire === 2) this.position = this.messageEnd(end);
    else if (wire === 1) this.advance(8, end);
    else if (wire === 5) this.advance(4, end);
    else throw new DamagedGraph(`wire type ${wire} at byte ${this.position}`);
  }

  /** The bytes of a part of the file; the position stays. */
  read(start: number, end: number): Uint8Array {
    const bytes = new Uint8Array(end - start);
    let done = 0;
    while (done < bytes.length) {
      const at = start + done;
      const count = readSync(this.fileDescriptor, bytes, done, bytes.length - done, at);
      if (count === 0) throw new DamagedGraph('it ends too early');
      done += count;
    }
    return bytes;
  }

  private advance(bytes: number, end: number): void {
    if (bytes > end - this.position) throw new DamagedGraph('it ends too early');
    this.position += bytes;
  }

  private byte(end: number): number {
    if (this.position >= end) throw new DamagedGraph('it ends too early');
    let index = this.position - this.bufferStart;
    if (index < 0 || index >= this.bufferLength) {
      this.bufferStart = this.position;
      this.bufferLength = readSync(
        this.fileDescriptor,
        this.buffer,
        0,
        BUFFER_BYTES,
        this.position,
      );
      index = 0;
    }
    const byte = this.buffer[index];
    if (byte === undefined || index >= this.bufferLength) {
      throw new DamagedGraph('it ends too early');
    }
    this.position += 1;
    return byte;
  }
}

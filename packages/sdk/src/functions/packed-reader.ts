/**
 * Reads protobuf messages field by field, as little of the format as the client needs. Throws a
 * RangeError on bytes that are no message.
 */
const WIRE_VARINT = 0;
const WIRE_64_BIT = 1;
const WIRE_BYTES = 2;
const WIRE_32_BIT = 5;

export interface PackedField {
  readonly number: number;
  /** Of a varint; of the others 0. */
  readonly value: number;
  /** Of a text, message or list, and the 4 or 8 bytes of a number; a view. */
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);
// A text may begin with U+FEFF, which is part of it.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export function readFields(message: Uint8Array): PackedField[] {
  const fields: PackedField[] = [];
  for (let at = 0; at < message.length;) {
    const tag = readVarint(message, at);
    const number = Math.floor(tag.value / 8);
    const wire = tag.value % 8;
    if (wire === WIRE_VARINT) {
      const { value, end } = readVarint(message, tag.end);
      fields.push({ number, value, bytes: NO_BYTES });
      at = end;
      continue;
    }
    const { start, size } = extentOf(message, wire, tag.end);
    if (start + size > message.length) throw new RangeError('the message ends within a field');
    fields.push({ number, value: 0, bytes: message.subarray(start, start + size) });
    at = start + size;
  }
  return fields;
}

export function textOf(field: PackedField | undefined): string {
  return field === undefined ? '' : decoder.decode(field.bytes);
}

export function doubleOf(field: PackedField): number {
  return viewOf(field.bytes).getFloat64(0, true);
}

/** A packed list of float32. */
export function floatsOf(field: PackedField): number[] {
  const view = viewOf(field.bytes);
  const floats = new Array<number>(Math.floor(field.bytes.length / 4));
  for (let index = 0; index < floats.length; index += 1) {
    floats[index] = view.getFloat32(index * 4, true);
  }
  return floats;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function extentOf(
  message: Uint8Array,
  wire: number,
  at: number,
): { readonly start: number; readonly size: number } {
  if (wire === WIRE_64_BIT) return { start: at, size: 8 };
  if (wire === WIRE_32_BIT) return { start: at, size: 4 };
  if (wire !== WIRE_BYTES) throw new RangeError(`wire type ${wire} is not known`);
  const { value, end } = readVarint(message, at);
  return { start: end, size: value };
}

function readVarint(
  message: Uint8Array,
  start: number,
): { readonly value: number; readonly end: number } {
  let value = 0;
  let factor = 1;
  for (let at = start; at < Math.min(message.length, start + 10); at += 1) {
    const byte = message[at] as number;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, end: at + 1 };
    factor *= 128;
  }
  throw new RangeError('a number has no end');
}

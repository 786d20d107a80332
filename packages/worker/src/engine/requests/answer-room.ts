/**
 * What an answer may take, and the least that one will take, known before it is made: a tensor of
 * gigabytes must not be computed, or written, to find out that nobody can be sent it. Pure.
 */
import type { BodyFormat, TensorType } from '@llmos/base';
import { LlmosError, errorBody, isRecord } from '@llmos/base';
import { ENGINE_LIMITS } from '../limits';

export interface AnswerRoom {
  readonly format: BodyFormat;
  /** Of the encoded result: more can't be committed. */
  readonly maxBytes: number;
}

/** Where nobody said: as much as a body may have. */
export const ANY_ROOM: AnswerRoom = { format: 'json', maxBytes: ENGINE_LIMITS.maxBodyBytes };

export interface AnswerPart {
  /** What it is, for whoever asked: `y is float32 [4, 4]`. */
  readonly what: string;
  readonly leastBytes: number;
}

/** Throws RESOURCE_EXHAUSTED where the parts together can't fit; names what is largest of them. */
export function assertFits(parts: readonly AnswerPart[], room: AnswerRoom, remedy: string): void {
  const bytes = parts.reduce((sum, part) => sum + part.leastBytes, 0);
  if (bytes <= room.maxBytes) return;
  const largest = parts.reduce((a, b) => (b.leastBytes > a.leastBytes ? b : a));
  throw answerTooLarge({ bytes, what: largest.what, room, remedy });
}

export function answerTooLarge(of: {
  readonly bytes: number;
  readonly what: string;
  readonly room: AnswerRoom;
  readonly remedy: string;
}): LlmosError {
  const { bytes, what, room, remedy } = of;
  const limitBytes = room.maxBytes;
  const message = `the answer would have at least ${bytes} bytes (${what}), the limit is ${limitBytes}: ${remedy}`;
  const more = { retryable: false, details: { bytes, limitBytes } } as const;
  return LlmosError.fromBody(errorBody('RESOURCE_EXHAUSTED', message, more));
}

/** Bytes of one element as protobuf carries it; a text has at least a tag and a length. */
const ELEMENT_BYTES: Readonly<Record<TensorType, number>> = {
  ...{ float32: 4, float16: 2, float64: 8, int8: 1, uint8: 1, int16: 2, uint16: 2 },
  ...{ int32: 4, uint32: 4, int64: 8, uint64: 8, bool: 1, string: 2 },
};

/** Characters of the shortest element in JSON, its comma included. */
const JSON_CHARS: Readonly<Partial<Record<TensorType, number>>> = { bool: 5, string: 3 };

/** The least that a tensor of so many elements takes in an answer. */
export function leastTensorBytes(
  type: TensorType,
  count: number,
  format: AnswerRoom['format'],
): number {
  if (format === 'protobuf') return count * ELEMENT_BYTES[type];
  return Math.max(0, count * (JSON_CHARS[type] ?? 2) - 1);
}

/** In memory; of texts the least. */
export function tensorBytes(type: TensorType, count: number): number {
  return count * ELEMENT_BYTES[type];
}

/** The least of a label, an entity or a log-probability: its field names, or its tags. */
export function leastItemBytes(format: AnswerRoom['format']): number {
  return format === 'protobuf' ? 4 : 24;
}

/** Throws RESOURCE_EXHAUSTED where a function's output can't fit, before it is written. */
export function assertValueFits(value: unknown, room: AnswerRoom): void {
  const bytes = leastValueBytes(value, room);
  if (bytes <= room.maxBytes) return;
  const what = isRecord(value) ? Object.keys(value).join(', ') : typeof value;
  throw answerTooLarge({ bytes, what, room, remedy: 'ask for less at once' });
}

/** Counts no further than the room. Of protobuf only what is in lists and texts is sure. */
function leastValueBytes(value: unknown, room: AnswerRoom): number {
  const isJson = room.format === 'json';
  if (typeof value === 'string') return value.length + (isJson ? 2 : 0);
  if (typeof value !== 'object' || value === null) return isJson ? 1 : 0;
  let bytes = isJson ? 1 : 0;
  if (Array.isArray(value)) {
    for (const item of value as readonly unknown[]) {
      bytes += 1 + leastValueBytes(item, room);
      if (bytes > room.maxBytes) return bytes;
    }
    return bytes;
  }
  for (const [name, field] of Object.entries(value)) {
    if (field !== undefined) bytes += leastValueBytes(field, room) + (isJson ? name.length + 4 : 0);
    if (bytes > room.maxBytes) return bytes;
  }
  return bytes;
}

/**
 * Writes tensors as the JSON of an `infer` result: `{"ok":true,"output":{"outputs":{…}}}`.
 *
 * Piece by piece, and no further than the limit: the numbers of a large tensor as one list, or one
 * text, would take many times its bytes. 64-bit integers are numbers where those are exact, else
 * decimal strings. JSON has no NaN or infinity: a float tensor that holds one is written in base64.
 */
import type { TensorArray } from '@llmos/base';
import { bytesOfArray, fromFloat16Bits } from '@llmos/base';
import type { HostTensor, TensorElements } from '../../ports/model-runner';
import type { AnswerRoom } from '../requests/answer-room';
import { answerTooLarge } from '../requests/answer-room';

type NumberArray = Exclude<TensorArray, BigInt64Array | BigUint64Array>;

/** Elements that are written at once: some 100 kB of text. Base64 has no remainder in between. */
const PIECE = 6144;

/** Throws RESOURCE_EXHAUSTED as soon as there is more than the room. */
export function encodeTensorsJson(
  tensors: ReadonlyMap<string, HostTensor>,
  room: AnswerRoom,
): Uint8Array {
  const text = new BoundedText(room);
  text.add('{"ok":true,"output":{"outputs":{');
  let isFirst = true;
  for (const [name, { type, dims, elements }] of tensors) {
    text.what = `${name} is ${type} [${dims.join(', ')}]`;
    const head = `${JSON.stringify(name)}:{"type":"${type}","dims":${JSON.stringify(dims)},"data":`;
    text.add(isFirst ? head : `,${head}`);
    isFirst = false;
    addElements(text, type, elements);
    text.add('}');
  }
  text.add('}}}');
  return text.bytes();
}

function addElements(text: BoundedText, type: HostTensor['type'], elements: TensorElements): void {
  if (!ArrayBuffer.isView(elements)) {
    const quote = (value: string): string => JSON.stringify(value);
    addList(text, elements.length, (start, end) => elements.slice(start, end).map(quote));
  } else if (elements instanceof BigInt64Array || elements instanceof BigUint64Array) {
    const wide: Iterable<bigint> & ArrayLike<bigint> = elements;
    addList(text, elements.length, (start, end) => listOf(wide, start, end, wideText));
  } else if (type === 'bool') {
    const isTrue = (value: number): boolean => value !== 0;
    addList(text, elements.length, (start, end) => listOf(elements, start, end, isTrue));
  } else {
    const value = type === 'float16' ? fromFloat16Bits : (number: number): number => number;
    if (isFinite(elements, value)) {
      addList(text, elements.length, (start, end) => listOf(elements, start, end, value));
    } else addBase64(text, elements);
  }
}

function isFinite(elements: NumberArray, value: (element: number) => number): boolean {
  for (const element of elements) if (!Number.isFinite(value(element))) return false;
  return true;
}

function wideText(value: bigint): string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? String(number) : `"${value.toString()}"`;
}

function listOf<Element>(
  elements: ArrayLike<Element>,
  start: number,
  end: number,
  write: (element: Element) => unknown,
): unknown[] {
  return Array.from({ length: end - start }, (_, index) =>
    write(elements[start + index] as Element),
  );
}

/** @param list values whose text is their JSON. */
function addList(
  text: BoundedText,
  length: number,
  list: (start: number, end: number) => readonly unknown[],
): void {
  text.add('[');
  for (let start = 0; start < length; start += PIECE) {
    const piece = list(start, Math.min(length, start + PIECE)).join(',');
    text.add(start === 0 ? piece : `,${piece}`);
  }
  text.add(']');
}

function addBase64(text: BoundedText, elements: NumberArray): void {
  const bytes = bytesOfArray(elements);
  text.add('"');
  for (let at = 0; at < bytes.byteLength; at += PIECE) {
    const piece = bytes.subarray(at, at + PIECE);
    text.add(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength).toString('base64'));
  }
  text.add('"');
}

class BoundedText {
  /** What is being written, for whoever asked. */
  what = '';
  private readonly pieces: Buffer[] = [];
  private length = 0;

  constructor(private readonly room: AnswerRoom) {}

  add(text: string): void {
    const piece = Buffer.from(text);
    this.length += piece.length;
    if (this.length > this.room.maxBytes) {
      const remedy = 'send fewer rows, ask for fewer outputs, or ask in protobuf';
      throw answerTooLarge({ bytes: this.length, what: this.what, room: this.room, remedy });
    }
    this.pieces.push(piece);
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.pieces, this.length);
  }
}

/**
 * The text that the reader of a generation was given, as much of it as is needed: its last pieces,
 * at which a chunk may begin that another host cut differently, and a mark of all before them.
 * Its size has a bound however long the text is. Pure; one writer, the chunk assembly.
 */
import { CHUNK_LIMITS } from './limits';

interface Piece {
  /** Of its first token. */
  readonly index: number;
  readonly text: string;
}

/** Two hashes of 32 bits each, of everything that was added. */
interface TextMark {
  readonly a: number;
  readonly b: number;
  readonly length: number;
}

const NO_TEXT: TextMark = { a: 0x811c9dc5, b: 0, length: 0 };

export class GivenText {
  private readonly pieces: Piece[] = [];
  private pieceChars = 0;
  private before = NO_TEXT;

  get length(): number {
    return this.before.length + this.pieceChars;
  }

  append(piece: Piece): void {
    this.pieces.push({ index: piece.index, text: piece.text });
    this.pieceChars += piece.text.length;
    while (
      this.pieces.length > CHUNK_LIMITS.keptPieces ||
      this.pieceChars > CHUNK_LIMITS.keptChars
    ) {
      const { text } = this.pieces.shift() ?? { text: '' };
      this.pieceChars -= text.length;
      this.before = markOf(text, this.before);
    }
  }

  /** What was given since this token; undefined where no piece that is kept begins with it. */
  since(index: number): string | undefined {
    const at = this.pieces.findLastIndex((piece) => piece.index === index);
    return at < 0 ? undefined : textOf(this.pieces.slice(at));
  }

  /**
   * Where it differs from another text; undefined where one of both begins with the other. A
   * difference before what is kept shows at the beginning of that.
   */
  differenceFrom(other: string): number | undefined {
    const { length, a, b } = this.before;
    if (other.length < length) return other.length;
    const mark = markOf(other.slice(0, length), NO_TEXT);
    if (mark.a !== a || mark.b !== b) return length;
    const given = textOf(this.pieces);
    const rest = other.slice(length);
    if (rest.startsWith(given) || given.startsWith(rest)) return undefined;
    return length + firstDifference(given, rest);
  }
}

function textOf(pieces: readonly Piece[]): string {
  return pieces.map(({ text }) => text).join('');
}

function markOf(text: string, after: TextMark): TextMark {
  let { a, b } = after;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(((b << 5) | (b >>> 27)) ^ unit, 0x9e3779b1);
  }
  return { a, b, length: after.length + text.length };
}

function firstDifference(a: string, b: string): number {
  let index = 0;
  while (index < a.length && a[index] === b[index]) index += 1;
  return index;
}

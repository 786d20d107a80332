/** Finds the words of a text and their tokens, with their place in the text as it was given. */
import { LlmosError, quoteShort } from '@llmos/base';
import type { TokenizedWord } from '../../ports/text-tokenizer';
import type { TextMap } from './text-map';

/** How a pre-token is written: as in the text, in bytes, or with marked spaces. */
export type PretokenStyle = 'plain' | 'bytes' | 'metaspace';

export interface AlignmentParts {
  readonly map: TextMap;
  readonly style: PretokenStyle;
  readonly pretokenize: (text: string) => readonly string[];
  /** The pieces of one pre-token. */
  readonly pieces: (pretoken: string) => readonly string[];
  readonly idOf: (piece: string) => number;
}

const METASPACE = '\u2581';

export function alignWords(parts: AlignmentParts): TokenizedWord[] {
  const { map } = parts;
  let cursor = 0;
  return parts.pretokenize(map.text).flatMap((pretoken) =>
    groupsOf(parts, pretoken).map(({ surface, pieces }) => {
      const ids = pieces.map(parts.idOf);
      const visible = surface.trim();
      if (visible === '') return blankWord(map, cursor, ids);
      const at = map.text.indexOf(visible, cursor);
      if (at < 0) {
        throw new LlmosError(
          'FAILED_PRECONDITION',
          `the tokenizer changes ${quoteShort(visible)} so that its place in the text is lost`,
        );
      }
      cursor = at + visible.length;
      return { start: map.starts[at] ?? 0, end: map.ends[cursor - 1] ?? 0, ids };
    }),
  );
}

interface Group {
  readonly surface: string;
  readonly pieces: readonly string[];
}

/** A metaspace pre-token may hold several words; each begins with the mark. */
function groupsOf(parts: AlignmentParts, pretoken: string): readonly Group[] {
  const pieces = parts.pieces(pretoken);
  if (pieces.length === 0) return [];
  if (parts.style === 'plain') return [{ surface: pretoken, pieces }];
  if (parts.style === 'bytes') return [{ surface: textOfBytes(pretoken), pieces }];
  const groups: string[][] = [];
  for (const piece of pieces) {
    const last = groups.at(-1);
    if (last === undefined || piece.startsWith(METASPACE)) groups.push([piece]);
    else last.push(piece);
  }
  return groups.map((group) => ({
    surface: group.join('').replaceAll(METASPACE, ' '),
    pieces: group,
  }));
}

function blankWord(map: TextMap, cursor: number, ids: readonly number[]): TokenizedWord {
  const place = map.starts[cursor] ?? map.ends.at(-1) ?? 0;
  return { start: place, end: place, ids };
}

/** Byte-level tokenizers write each byte as one printable character. */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = byteCharacters();

function byteCharacters(): ReadonlyMap<string, number> {
  const map = new Map<string, number>();
  let shifted = 0;
  for (let byte = 0; byte < 256; byte += 1) {
    const isPrintable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    const codePoint = isPrintable ? byte : 256 + shifted++;
    map.set(String.fromCharCode(codePoint), byte);
  }
  return map;
}

function textOfBytes(pretoken: string): string {
  const bytes = Uint8Array.from(pretoken, (character) => BYTE_OF_CHARACTER.get(character) ?? 0x3f);
  return new TextDecoder().decode(bytes);
}

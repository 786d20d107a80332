import { Detokenizer } from './detokenizer';

/** Tokens are byte values, decoded as UTF-8: every character of several bytes comes in parts. */
const decodeBytes = (ids: readonly number[]): string =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(ids));

/** Words with a leading space that is dropped at the beginning, as sentence-piece decoders do. */
const WORDS = ['', ' one', ' two', ' three'];
const decodeWords = (ids: readonly number[]): string =>
  ids
    .map((id) => WORDS[id] ?? '')
    .join('')
    .replace(/^ /, '');

function pieces(detokenizer: Detokenizer, ids: readonly number[]): string[] {
  return [...ids.map((id) => detokenizer.push(id)), detokenizer.flush()];
}

describe('detokenizer', () => {
  it.each([
    'plain text',
    'naïve café',
    '日本語のテキスト',
    '👩‍👩‍👧 and 🎉🎉',
    'a\uFFFDb',
    '\uFEFFmark',
  ])('gives out %j whole, and no piece ends inside a character', (text) => {
    const given = pieces(new Detokenizer(decodeBytes, []), [...new TextEncoder().encode(text)]);
    expect(given.join('')).toBe(text);
    const characters = new Set([...text]);
    for (const piece of given) for (const one of piece) expect(characters).toContain(one);
  });

  it('keeps the space before a word that follows a prompt', () => {
    expect(pieces(new Detokenizer(decodeWords, [1]), [2, 3])).toEqual([' two', ' three', '']);
    expect(pieces(new Detokenizer(decodeWords, []), [2, 3])).toEqual(['two', ' three', '']);
  });

  it('gives broken bytes out at the end, and does not wait for them for ever', () => {
    const broken = [0xff, 0xff, 0xff, 0xff, 0xff, 0x41, 0xe6];
    const given = pieces(new Detokenizer(decodeBytes, []), broken);
    expect(given.join('')).toBe(decodeBytes(broken));
    expect(given[3]).not.toBe('');
    expect(given.at(-1)).toBe('\uFFFD');
  });

  it('passes over tokens that show nothing', () => {
    expect(pieces(new Detokenizer(decodeWords, [1]), [0, 2, 0, 3]).join('')).toBe(' two three');
  });
});

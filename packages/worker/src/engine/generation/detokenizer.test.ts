import { seededRandom } from '@llmos/base';
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

  it.each([
    ['an incomplete character', 0xe6],
    ['no character', 0xff],
  ])('decodes few tokens at a time, where every token is the beginning of %s', (_, byte) => {
    let decoded = 0;
    const decode = (ids: readonly number[]): string => {
      decoded += ids.length;
      return decodeBytes(ids);
    };
    const ids = [0x41, ...new Array<number>(200).fill(byte), 0xe6, 0x97, 0xa5];
    expect(pieces(new Detokenizer(decode, [0x42]), ids).join('')).toBe(decodeBytes(ids));
    expect(decoded).toBeLessThan(10 * ids.length);
  });

  it('decodes few tokens at a time, where none shows anything', () => {
    let decoded = 0;
    const decode = (ids: readonly number[]): string => {
      decoded += ids.length;
      return decodeWords(ids);
    };
    const ids = [2, ...new Array<number>(200).fill(0), 3];
    expect(pieces(new Detokenizer(decode, [1]), ids).join('')).toBe(' two three');
    expect(decoded).toBeLessThan(15 * ids.length);
  });

  it('gives out any bytes as all of them together show, whatever they are', () => {
    const random = seededRandom(3);
    for (let round = 0; round < 300; round += 1) {
      const bytes = [0x41, 0x80, 0xbf, 0xc3, 0xe6, 0x97, 0xa5, 0xf0, 0x9f, 0x8e, 0x89, 0xff];
      const ids = Array.from({ length: 30 }, () => bytes[random.below(bytes.length)] as number);
      const given = pieces(new Detokenizer(decodeBytes, [0x42]), ids).join('');
      expect([round, given]).toEqual([round, decodeBytes(ids)]);
    }
  });
});

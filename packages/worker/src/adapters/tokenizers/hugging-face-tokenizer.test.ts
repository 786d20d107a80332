import { readPackageDocuments } from '../package-files/model-documents-reader';
import { sharedModel, shippedModel } from '../../testing/model-folders';
import { hasForeignPattern } from './foreign-patterns';
import { openTokenizer } from './hugging-face-tokenizer';
import { withinTime } from './time-limit';

function tokenizerOf(name: string) {
  return openTokenizer(readPackageDocuments(shippedModel(name)));
}

const TEXTS = [
  'Plain words, with punctuation - and so on.',
  'Crème brûlée naïve Ångström İstanbul ΣΊΣΥΦΟΣ ΟΔΟΣ',
  'decomposed e\u0301 a\u030A, zalgo t\u0301\u0302\u0303',
  'emoji 👩‍👩‍👧 🎉 𝒳 and CJK 日本語 mixed',
  'tabs\tand\nlines\r\n  doubled  spaces   ',
  'control \u0000 characters \u200B \u00AD \uFEFF and \uFFFD',
  'lone \uD800 surrogates \uDC00 here',
  'a'.repeat(300),
  '$1,234.56 + 7% = ~#hash @user http://x.y/z?q=1',
  '',
  '   ',
  'straße ﬁne Ⅷ ½ ǆ',
];

describe('a tokenizer with a pattern of its own', () => {
  function split(pattern: string) {
    const documents = readPackageDocuments(shippedModel('mini-encoder'));
    const split = {
      type: 'Split',
      pattern: { Regex: pattern },
      behavior: 'Isolated',
      invert: false,
    };
    return openTokenizer(
      { ...documents, tokenizer: { ...documents.tokenizer, pre_tokenizer: split } },
      300,
    );
  }
  const evil = `${'a'.repeat(60)}!`;

  it('ends a text that it would read for ever, and reads the next', () => {
    const tokenizer = split('^(a+)+$');
    expect(() => tokenizer.encode(evil)).toThrow(
      'the tokenizer takes more than 300 ms to read 61 characters',
    );
    expect(() => tokenizer.words(evil)).toThrow('more than 300 ms');
    expect(tokenizer.encode('hello').length).toBeGreaterThan(0);
  });

  it('tells what is thrown as it is', () => {
    const documents = readPackageDocuments(shippedModel('mini-encoder'));
    expect(hasForeignPattern(documents.tokenizer?.['pre_tokenizer'])).toBe(false);
    expect(() => withinTime(1_000, () => assertThrown())).toThrow(TypeError);
    expect(withinTime(1_000, () => 5)).toBe(5);
  });

  it.each([
    [{ type: 'Split', pattern: { Regex: '\\s+' } }, false],
    [{ type: 'Sequence', pretokenizers: [{ type: 'Split', pattern: { Regex: '(x+)+y' } }] }, true],
    [{ type: 'Replace', pattern: { String: '(x+)+y' }, content: '' }, false],
    [null, false],
  ])('is known by its patterns: %j', (part, isForeign) => {
    expect(hasForeignPattern(part)).toBe(isForeign);
  });
});

function assertThrown(): never {
  throw new TypeError('as it is');
}

describe('words of a text', () => {
  it.each(['contract-entities', 'mini-encoder'])(
    '%s: the tokens of the words are the tokens of the text',
    (name) => {
      const tokenizer = tokenizerOf(name);
      for (const text of TEXTS) {
        const words = tokenizer.words(text);
        expect(words.flatMap((word) => word.ids)).toEqual(tokenizer.encode(text));
      }
    },
  );

  it.each(['contract-entities', 'mini-encoder'])(
    '%s: each word has its own place, in order',
    (name) => {
      const tokenizer = tokenizerOf(name);
      for (const text of TEXTS) {
        let end = 0;
        for (const word of tokenizer.words(text)) {
          expect(word.start).toBeGreaterThanOrEqual(end);
          expect(word.end).toBeGreaterThan(word.start);
          expect(text.slice(word.start, word.end).trim()).not.toBe('');
          end = word.end;
        }
        expect(end).toBeLessThanOrEqual(text.length);
      }
    },
  );

  it('finds words behind accents, case and characters of two units', () => {
    const tokenizer = tokenizerOf('mini-encoder');
    const text = '🎉 Crème, BRU\u0302LE\u0301E 𝒳!';
    const words = tokenizer.words(text).map((word) => text.slice(word.start, word.end));
    expect(words).toEqual(['🎉', 'Crème', ',', 'BRU\u0302LE\u0301E', '𝒳', '!']);
  });

  it('takes special tokens in a text as words, not as commands', () => {
    const tokenizer = tokenizerOf('contract-entities');
    const text = 'Anna [SEP] Smith';
    const shown = tokenizer.words(text).map((word) => text.slice(word.start, word.end));
    expect(shown).toEqual(['Anna', '[', 'SEP', ']', 'Smith']);
  });

  it('aligns byte-level tokens', () => {
    const tokenizer = tokenizerOf('storyteller');
    const text = 'Hello, wörld 🎉  twice';
    const words = tokenizer.words(text);
    expect(words.flatMap((word) => word.ids)).toEqual(tokenizer.encode(text));
    const shown = words.map((word) => text.slice(word.start, word.end)).filter(Boolean);
    expect(shown).toEqual(['Hello', ',', 'wörld', '🎉', 'twice']);
  });
});

describe('the tokenizer', () => {
  it('knows what stands around a text and what begins a prompt', () => {
    const encoder = tokenizerOf('mini-encoder');
    expect([encoder.prefixIds, encoder.suffixIds, encoder.padId]).toEqual([[2], [3], 0]);
    const story = tokenizerOf('storyteller');
    expect([story.prefixIds, story.suffixIds]).toEqual([[], []]);
    expect([story.addsBos, story.bosId]).toEqual([true, 0]);
  });

  it('decodes without special tokens', () => {
    const story = tokenizerOf('storyteller');
    expect(story.decode([0, ...story.encode('Once upon a time'), 0])).toBe('Once upon a time');
    expect(story.decode([])).toBe('');
  });

  it('refuses a tokenizer file that it does not understand', () => {
    const documents = readPackageDocuments(shippedModel('storyteller'));
    const open = (tokenizer: object) => () =>
      openTokenizer({ ...documents, tokenizer: tokenizer as Record<string, unknown> });
    expect(open({})).toThrow(/tokenizer\.json/);
    expect(open({ model: { type: 'Strange' }, added_tokens: [] })).toThrow(/tokenizer\.json/);
    expect(open({ ...documents.tokenizer, normalizer: { type: 'Odd' } })).toThrow(/Odd/);
  });

  const llama = sharedModel('stories260K');
  (llama === undefined ? it.skip : it)('says where it can not tell places (shared/models)', () => {
    const tokenizer = openTokenizer(readPackageDocuments(llama ?? ''));
    expect(() => tokenizer.words('a b')).toThrow(/does not tell/);
  });
});

/** Text to tokens and back. Pure: the same text always gives the same tokens. */

/** A stretch of the text that carries one tag: a word, a number or a punctuation mark. */
export interface TokenizedWord {
  /** UTF-16 units of the text as given; equal where the word shows nothing (white space). */
  readonly start: number;
  readonly end: number;
  /** At least one. */
  readonly ids: readonly number[];
}

export interface TextTokenizer {
  /** Ids of special tokens that stand around every text that a model reads. */
  readonly prefixIds: readonly number[];
  readonly suffixIds: readonly number[];
  readonly bosId?: number;
  readonly padId?: number;
  /** Whether `bosId` has to begin a prompt although the tokenizer itself does not add it. */
  readonly addsBos: boolean;
  /** The tokens of a text, without prefix and suffix. */
  encode(text: string): number[];
  /** Words with their place in the text; throws FAILED_PRECONDITION where that can't be known. */
  words(text: string): TokenizedWord[];
  /** The text of tokens, special ones left out; incomplete characters show as U+FFFD. */
  decode(ids: readonly number[]): string;
  idOf(token: string): number | undefined;
}

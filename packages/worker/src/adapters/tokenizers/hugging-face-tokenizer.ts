/** The tokenizer port on @huggingface/tokenizers, with what the library leaves to its callers. */
import { createRequire } from 'node:module';
import { LlmosError, quoteShort } from '@llmos/base';
import type { JsonObject, ModelDocuments } from '../../models/model-documents';
import { ENGINE_LIMITS } from '../../engine/limits';
import { objectIn, tokenIdsIn, tokenTextIn } from '../../models/model-documents';
import type { TextTokenizer, TokenizedWord } from '../../ports/text-tokenizer';
import { hasForeignPattern } from './foreign-patterns';
import { isLocalNormalizer, mapNormalized } from './text-map';
import { OutOfTime, withinTime } from './time-limit';
import type { PretokenStyle } from './word-alignment';
import { alignWords } from './word-alignment';

/** The part of the library in use. Its own types import files that TypeScript does not resolve. */
interface Tokenizer {
  readonly normalizer: { normalize(text: string): string } | null;
  readonly pre_tokenizer: {
    pre_tokenize(text: string, options: { readonly section_index: number }): string[];
  } | null;
  readonly model: {
    readonly tokens_to_ids: ReadonlyMap<string, number>;
    readonly unk_token_id: number | undefined;
    encode(pretokens: readonly string[]): string[];
  } | null;
  readonly post_processor: {
    post_process(
      tokens: readonly string[],
      pair: null,
      addsSpecialTokens: boolean,
    ): { readonly tokens: readonly string[] };
  } | null;
  encode(
    text: string,
    options: { readonly add_special_tokens: boolean },
  ): { readonly ids: readonly (number | undefined)[]; readonly tokens: readonly string[] };
  decode(
    ids: readonly number[],
    options: {
      readonly skip_special_tokens: boolean;
      readonly clean_up_tokenization_spaces: boolean;
    },
  ): string;
  token_to_id(token: string): number | undefined;
}

// A package of ES modules, whose CommonJS build has to be required.
const library = createRequire(__filename)('@huggingface/tokenizers') as {
  readonly Tokenizer: new (file: object, config: object) => Tokenizer;
};

const PROBE = '\u0001probe';

/** @param limitMs for one text, where the tokenizer has patterns of its own. */
export function openTokenizer(
  documents: ModelDocuments,
  limitMs: number = ENGINE_LIMITS.tokenizerMs,
): TextTokenizer {
  const { tokenizer } = documents;
  if (tokenizer === undefined) throw refuse('the package has no tokenizer.json');
  try {
    return new HuggingFaceTokenizer(tokenizer, documents, limitMs);
  } catch (thrown) {
    if (thrown instanceof LlmosError) throw thrown;
    throw refuse(`tokenizer.json can't be used: ${(thrown as Error).message}`);
  }
}

class HuggingFaceTokenizer implements TextTokenizer {
  readonly prefixIds: readonly number[];
  readonly suffixIds: readonly number[];
  readonly bosId?: number;
  readonly padId?: number;
  readonly addsBos: boolean;
  private readonly tokenizer: Tokenizer;
  private readonly style: PretokenStyle;
  private readonly canAlign: boolean;
  /** Whether reading, and writing, a text may take for ever. */
  private readonly isForeign: { readonly encode: boolean; readonly decode: boolean };

  constructor(
    file: JsonObject,
    documents: ModelDocuments,
    private readonly limitMs: number,
  ) {
    this.isForeign = {
      encode: hasForeignPattern(file['normalizer'], file['pre_tokenizer']),
      decode: hasForeignPattern(file['decoder']),
    };
    const { tokenizerConfig, config } = documents;
    const complete = { normalizer: null, pre_tokenizer: null, post_processor: null, ...file };
    this.tokenizer = new library.Tokenizer({ decoder: null, ...complete }, tokenizerConfig);
    if (this.tokenizer.model === null) throw refuse('tokenizer.json has no model');
    const around = this.idsAround();
    this.prefixIds = around.prefix;
    this.suffixIds = around.suffix;
    this.style = styleOf(objectIn(file, 'pre_tokenizer'));
    this.canAlign = isLocalNormalizer(file['normalizer']);
    this.addsBos = tokenizerConfig['add_bos_token'] === true;
    const bosId = this.specialId(tokenizerConfig, config, 'bos_token');
    if (bosId !== undefined) this.bosId = bosId;
    const padId = this.specialId(tokenizerConfig, config, 'pad_token');
    if (padId !== undefined) this.padId = padId;
  }

  encode(text: string): number[] {
    const { ids, tokens } = this.bounded('encode', text.length, () =>
      this.tokenizer.encode(text, { add_special_tokens: false }),
    );
    return ids.map((id, index) => this.known(id, tokens[index] ?? ''));
  }

  words(text: string): TokenizedWord[] {
    if (!this.canAlign) throw refuse('this tokenizer does not tell where its tokens are in a text');
    return this.bounded('encode', text.length, () => this.align(text));
  }

  private align(text: string): TokenizedWord[] {
    const { normalizer, pre_tokenizer: pretokenizer, model } = this.tokenizer;
    return alignWords({
      map: mapNormalized(text, (part) => normalizer?.normalize(part) ?? part),
      style: this.style,
      pretokenize: (normal) => pretokenizer?.pre_tokenize(normal, { section_index: 0 }) ?? [normal],
      pieces: (pretoken) => model?.encode([pretoken]) ?? [],
      idOf: (piece) => this.known(model?.tokens_to_ids.get(piece) ?? model?.unk_token_id, piece),
    });
  }

  decode(ids: readonly number[]): string {
    if (ids.length === 0) return '';
    return this.bounded('decode', ids.length, () =>
      this.tokenizer.decode([...ids], {
        skip_special_tokens: true,
        // Removing spaces before punctuation needs the whole text; a stream has only its beginning.
        clean_up_tokenization_spaces: false,
      }),
    );
  }

  private bounded<T>(what: 'encode' | 'decode', length: number, work: () => T): T {
    if (!this.isForeign[what]) return work();
    try {
      return withinTime(this.limitMs, work);
    } catch (thrown) {
      if (!(thrown instanceof OutOfTime)) throw thrown;
      const of = what === 'encode' ? `${length} characters` : `${length} tokens`;
      const message = `the tokenizer takes more than ${this.limitMs} ms to read ${of}`;
      throw new LlmosError(
        'INVALID_ARGUMENT',
        `${message}: a pattern of its tokenizer.json may look for ever`,
      );
    }
  }

  idOf(token: string): number | undefined {
    return this.tokenizer.token_to_id(token);
  }

  /** The tokens that the post-processor puts around a text. */
  private idsAround(): { prefix: number[]; suffix: number[] } {
    const processed = this.tokenizer.post_processor?.post_process([PROBE], null, true);
    const tokens: readonly string[] = processed?.tokens ?? [PROBE];
    const at = tokens.indexOf(PROBE);
    const toId = (token: string): number => this.known(this.idOf(token), token);
    return { prefix: tokens.slice(0, at).map(toId), suffix: tokens.slice(at + 1).map(toId) };
  }

  private specialId(
    tokenizerConfig: JsonObject,
    config: JsonObject,
    name: string,
  ): number | undefined {
    const token = tokenTextIn(tokenizerConfig, name);
    const id = token === undefined ? undefined : this.idOf(token);
    return id ?? tokenIdsIn(config, `${name}_id`)?.[0];
  }

  private known(id: number | undefined, token: string): number {
    if (id !== undefined) return id;
    throw new LlmosError('INVALID_ARGUMENT', `the tokenizer has no token for ${quoteShort(token)}`);
  }
}

function styleOf(pretokenizer: JsonObject): PretokenStyle {
  const steps = pretokenizer['pretokenizers'];
  const list: readonly unknown[] = Array.isArray(steps) ? steps : [pretokenizer];
  const types = list.map((step) => (step as JsonObject | null)?.['type']);
  if (types.includes('ByteLevel')) return 'bytes';
  return types.includes('Metaspace') ? 'metaspace' : 'plain';
}

function refuse(message: string): LlmosError {
  return new LlmosError('FAILED_PRECONDITION', message);
}

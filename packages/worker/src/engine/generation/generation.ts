/**
 * One generation between two steps: which tokens it has, how the next one is chosen, what text a
 * reader sees, when it ends. A function of prompt, settings, seed and token index alone, so one
 * that resumes after tokens that an earlier attempt made gives the tokens it would have given.
 *
 * Where log-probabilities are wanted, tokens to resume after are repeated instead: each is fed and
 * looked at again, but gives no chunk, until the generation is where the earlier attempt was.
 */
import type {
  ChosenLogprob,
  FinishReason,
  GenerateChunk,
  GenerateInput,
  GenerateOutput,
} from '@llmos/base';
import { hashText } from '@llmos/base';
import type { GenerationSettings } from '../../models/model-settings';
import type { TextTokenizer } from '../../ports/text-tokenizer';
import { Detokenizer } from './detokenizer';
import type { EngineRequest } from '../engine';
import type { GenerationOptions } from './generation-options';
import { readOptions } from './generation-options';
import { LogitRules } from '../sampling/logit-rules';
import type { Prompt } from './prompt';
import { SamplingWorkspace, chooseToken, sampleSeed, uniformOf } from '../sampling/sampling';
import { StopStrings } from './stop-strings';
import { describeChoice } from '../sampling/token-logprobs';

export interface GenerationModel {
  readonly tokenizer: TextTokenizer;
  readonly settings: GenerationSettings;
  /** Shared by all generations of an engine; absent: one for each. */
  readonly workspace?: SamplingWorkspace;
}

/** Tokens before one that its text depends on. */
const CONTEXT_TOKENS = 8;

/** Pure, but for the tokenizer. */
export class Generation {
  finishReason: FinishReason | undefined;
  private readonly ids: number[];
  private readonly options: GenerationOptions;
  private readonly seed: number;
  private readonly rules: LogitRules;
  private readonly detokenizer: Detokenizer;
  private readonly stops: StopStrings;
  private readonly workspace: SamplingWorkspace;
  private readonly logprobs: ChosenLogprob[] = [];
  /** Tokens of an earlier attempt that are yet to be repeated, from the output's start on. */
  private readonly repeated: readonly number[];
  private text = '';

  /** @param sampleIndex which of the request's samples; only the first one resumes. */
  constructor(
    private readonly model: GenerationModel,
    private readonly prompt: Prompt,
    request: EngineRequest,
    readonly sampleIndex = 0,
  ) {
    const input = request.input as GenerateInput;
    this.options = readOptions(input, model.settings);
    this.seed = sampleSeed(input.seed ?? hashText(request.seedText), sampleIndex);
    this.ids = [...prompt.ids];
    this.rules = new LogitRules(this.options, prompt.ids);
    const context = prompt.ids.slice(-CONTEXT_TOKENS);
    this.detokenizer = new Detokenizer((ids) => model.tokenizer.decode(ids), context);
    this.stops = new StopStrings(this.options.stops);
    this.workspace = model.workspace ?? new SamplingWorkspace();
    const earlier = sampleIndex === 0 ? request.resumeTokens : [];
    this.repeated = this.options.topLogprobs === undefined ? [] : earlier;
    if (this.repeated.length > 0) return;
    for (const token of earlier) if (this.finishReason === undefined) this.append(token);
  }

  /** Every token that the next one depends on, prompt first. Grows in place: read, don't keep. */
  get history(): readonly number[] {
    return this.ids;
  }

  get promptCount(): number {
    return this.prompt.ids.length;
  }

  /** Tokens of the output so far. */
  get tokenCount(): number {
    return this.ids.length - this.promptCount;
  }

  /** The last token of the history: what is fed next. */
  get lastToken(): number {
    return this.ids[this.ids.length - 1] as number;
  }

  /** A copy of the output's tokens so far. */
  get tokens(): readonly number[] {
    return this.ids.slice(this.promptCount);
  }

  /** What a reader has been shown so far. */
  get textSoFar(): string {
    return this.text;
  }

  /**
   * Chooses the next token; answers what it adds for a reader, which may be nothing.
   *
   * @param logits after the last token of the history; changed, and not kept.
   */
  advance(logits: Float32Array): GenerateChunk {
    const index = this.tokenCount;
    const { topLogprobs } = this.options;
    const own = topLogprobs === undefined ? undefined : this.workspace.copyOf(logits);
    const isRepeated = index < this.repeated.length;
    const token = isRepeated ? (this.repeated[index] as number) : this.choose(logits, index);
    if (!isRepeated && this.options.ends.has(token)) {
      this.finishReason = 'stop';
      return this.chunk(index, [], this.take(this.stops.flushAfter(this.detokenizer.flush())));
    }
    const text = this.append(token);
    if (own !== undefined) this.describe(own, token, topLogprobs ?? 0);
    return isRepeated ? this.chunk(index + 1, [], '') : this.chunk(index, [token], text);
  }

  /** Tells the end where no token is left to tell it with. */
  endChunk(): GenerateChunk {
    return this.chunk(this.tokenCount, [], '');
  }

  output(): GenerateOutput {
    return {
      text: this.text,
      tokens: this.tokens,
      promptTokens: this.promptCount,
      finishReason: this.finishReason ?? 'length',
      ...(this.options.topLogprobs === undefined ? {} : { logprobs: this.logprobs }),
    };
  }

  private choose(logits: Float32Array, index: number): number {
    this.rules.apply(logits);
    const { sampling } = this.options;
    const uniform = sampling.temperature === 0 ? 0 : uniformOf(this.seed, index);
    return chooseToken(logits, sampling, uniform, this.workspace);
  }

  /** Answers the text that the token adds, and decides whether it is the last one. */
  private append(token: number): string {
    this.ids.push(token);
    this.rules.push(token);
    const isFull = this.tokenCount >= this.prompt.budgetTokens;
    const shown = this.detokenizer.push(token);
    const fresh = isFull ? shown + this.detokenizer.flush() : shown;
    const isTooShort = this.tokenCount < this.options.minTokens;
    const outcome = isTooShort ? { text: fresh, isStopped: false } : this.stops.push(fresh);
    if (outcome.isStopped) this.finishReason = 'stop';
    else if (isFull) this.finishReason = 'length';
    const rest = this.finishReason === 'length' ? this.stops.flush() : '';
    return this.take(outcome.text + rest);
  }

  private describe(logits: Float32Array, token: number, topCount: number): void {
    const textOf = this.textAfter(this.ids.slice(-1 - CONTEXT_TOKENS, -1));
    this.logprobs.push(describeChoice({ logits, token, topCount, textOf }, this.workspace));
  }

  /** What a token shows after others: alone, it may lose the space that it begins with. */
  private textAfter(context: readonly number[]): (id: number) => string {
    const { tokenizer } = this.model;
    const before = tokenizer.decode(context);
    // The part of a character is no text, and what it may become is no token's own.
    if (before.endsWith('\uFFFD')) return (id) => tokenizer.decode([id]);
    return (id) => tokenizer.decode([...context, id]).slice(before.length);
  }

  private take(text: string): string {
    this.text += text;
    return text;
  }

  private chunk(index: number, tokens: readonly number[], text: string): GenerateChunk {
    const hasLogprobs = this.options.topLogprobs !== undefined && tokens.length > 0;
    return {
      index,
      text,
      tokens,
      ...(this.finishReason === undefined ? {} : { finishReason: this.finishReason }),
      ...(hasLogprobs ? { logprobs: this.logprobs.slice(index, index + tokens.length) } : {}),
    };
  }
}

/** Sequences that a request asks for. */
export function sampleCountOf(request: EngineRequest): number {
  return (request.input as GenerateInput).n ?? 1;
}

/** The answer to a request, from the outputs of its samples in their order; at least one. */
export function joinSamples(outputs: readonly GenerateOutput[]): GenerateOutput {
  const [first] = outputs as readonly [GenerateOutput, ...GenerateOutput[]];
  if (outputs.length === 1) return first;
  return { ...first, samples: outputs.map(({ promptTokens: _, ...sample }) => sample) };
}

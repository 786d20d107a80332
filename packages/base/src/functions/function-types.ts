/** The TypeScript shapes of the built-in functions' inputs and outputs. */
import type { TensorType } from './built-in';

export interface TextsInput {
  readonly model?: string;
  readonly text?: string;
  readonly texts?: readonly string[];
}
export interface EmbedInput extends TextsInput {
  readonly truncate?: boolean;
}
/** What the model read. */
export interface TextUsage {
  /** Tokens of all texts, those that the model puts around them included. */
  readonly inputTokens: number;
}
/** What a generation read and made. */
export interface GenerateUsage extends TextUsage {
  /** Of `inputTokens`, those that the model had read for an earlier prompt that begins alike. */
  readonly cachedTokens: number;
  /** Of all samples. */
  readonly outputTokens: number;
}
export interface EmbedOutput {
  readonly embeddings: readonly (readonly number[])[];
  /** Absent in answers of older workers. */
  readonly usage?: TextUsage;
}
export interface ClassifyInput extends TextsInput {
  readonly topK?: number;
  readonly truncate?: boolean;
}
export interface Label {
  readonly label: string;
  readonly score: number;
}
export interface ClassifyOutput {
  readonly labels: readonly Label[] | readonly (readonly Label[])[];
  readonly usage?: TextUsage;
}
export type ExtractInput = TextsInput;
/** `start` and `end` count UTF-16 units of the input. */
export interface Entity {
  readonly type: string;
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly score: number;
}
export interface ExtractOutput {
  readonly entities: readonly Entity[] | readonly (readonly Entity[])[];
  readonly usage?: TextUsage;
}
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}
/** Where no default is named, what is left out is the model's own, else off. */
export interface GenerateInput {
  readonly model?: string;
  readonly prompt?: string;
  readonly messages?: readonly ChatMessage[];
  /** Tokens that are generated at most. Default 128. */
  readonly maxTokens?: number;
  /** Neither an end token nor a stop ends the output before so many tokens. Default 0. */
  readonly minTokens?: number;
  /** 0 is greedy: the likeliest token each time. */
  readonly temperature?: number;
  /** Only so many of the likeliest tokens; 0: all. */
  readonly topK?: number;
  /** Only the likeliest tokens that together have this probability; 1: all. */
  readonly topP?: number;
  /** Only tokens with at least this share of the likeliest one's probability; 0: all. */
  readonly minP?: number;
  /** Above 1, tokens of the prompt and of the output become less likely. */
  readonly repetitionPenalty?: number;
  /** Taken off the logit of each token that the output has, once. -2 to 2, default 0. */
  readonly presencePenalty?: number;
  /** Taken off the logit of each token, as often as the output has it. -2 to 2, default 0. */
  readonly frequencyPenalty?: number;
  /** What is added to the logits of tokens, by token id. -100 to 100. */
  readonly logitBias?: Readonly<Record<string, number>>;
  /** Makes a sampled text repeatable. Default: a number made from the task's id. */
  readonly seed?: number;
  /** Texts that end the output; they are no part of it. */
  readonly stop?: string | readonly string[];
  /** Tokens that end the output, as the model's own end tokens do; they are no part of it. */
  readonly stopTokens?: readonly number[];
  /** Asks for log-probabilities: of each token and of so many of the likeliest ones. 0 to 20. */
  readonly topLogprobs?: number;
  /** Samples of the same prompt, up to 32; more than one can't be streamed. Default 1. */
  readonly n?: number;
}
export type FinishReason = 'stop' | 'length';
/** How likely the model itself held a token, before any setting of the caller. */
export interface TokenLogprob {
  readonly token: number;
  /** Of the token alone; a part of a character shows as U+FFFD. */
  readonly text: string;
  /** Natural logarithm of the probability, rounded to six decimals. */
  readonly logprob: number;
}
export interface ChosenLogprob extends TokenLogprob {
  /** The likeliest tokens at its place, best first. */
  readonly top: readonly TokenLogprob[];
}
export interface GenerateSample {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly finishReason: FinishReason;
  /** One for each token, where `topLogprobs` was given. */
  readonly logprobs?: readonly ChosenLogprob[];
}
export interface GenerateOutput extends GenerateSample {
  readonly promptTokens: number;
  /** Where `n` is more than 1: all of them. The first one is also the output itself. */
  readonly samples?: readonly GenerateSample[];
  /** Absent in answers of older workers. */
  readonly usage?: GenerateUsage;
}
/** One message of a running generation. */
export interface GenerateChunk {
  /** Index of its first token in the output. */
  readonly index: number;
  readonly text: string;
  readonly tokens: readonly number[];
  readonly finishReason?: FinishReason;
  /** One for each of its tokens, where `topLogprobs` was given. */
  readonly logprobs?: readonly ChosenLogprob[];
}
/** Elements of a tensor of numbers. Of float16 it holds bit patterns, of bool 0 and 1. */
export type TensorArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;
export interface TensorValue {
  readonly type: TensorType;
  readonly dims: readonly number[];
  /** Row-major values, or base64 of the bytes (little-endian). */
  readonly data: readonly (number | string | boolean)[] | string;
}
export interface InferInput {
  readonly model?: string;
  readonly inputs: Readonly<Record<string, TensorValue>>;
  readonly key?: string;
  readonly outputs?: readonly string[];
}
export interface InferOutput {
  readonly outputs: Readonly<Record<string, TensorValue>>;
}

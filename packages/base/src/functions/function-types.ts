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
export interface EmbedOutput {
  readonly embeddings: readonly (readonly number[])[];
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
}
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}
export interface GenerateInput {
  readonly model?: string;
  readonly prompt?: string;
  readonly messages?: readonly ChatMessage[];
  readonly maxTokens?: number;
  /** 0 is greedy. */
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly repetitionPenalty?: number;
  readonly seed?: number;
  readonly stop?: string | readonly string[];
}
export type FinishReason = 'stop' | 'length';
export interface GenerateOutput {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly promptTokens: number;
  readonly finishReason: FinishReason;
}
/** One message of a running generation. */
export interface GenerateChunk {
  /** Index of its first token in the output. */
  readonly index: number;
  readonly text: string;
  readonly tokens: readonly number[];
  readonly finishReason?: FinishReason;
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

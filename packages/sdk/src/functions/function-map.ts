/** The built-in functions by name: what each takes and answers. */
import type {
  ClassifyInput,
  ClassifyOutput,
  EmbedInput,
  EmbedOutput,
  Entity,
  ExtractInput,
  ExtractOutput,
  GenerateInput,
  GenerateOutput,
  InferInput,
  InferOutput,
  Label,
} from '@llmos/base';
import type { TaskOptions } from '../call-options';
import type { ReplyStream } from '../reply-iterator';

export interface BuiltInFunctions {
  readonly echo: { readonly input: unknown; readonly output: unknown };
  readonly embed: { readonly input: EmbedInput; readonly output: EmbedOutput };
  readonly classify: { readonly input: ClassifyInput; readonly output: ClassifyOutput };
  readonly extract: { readonly input: ExtractInput; readonly output: ExtractOutput };
  readonly generate: { readonly input: GenerateInput; readonly output: GenerateOutput };
  readonly infer: { readonly input: InferInput; readonly output: InferOutput };
}

/** What a function takes; of one that is not built in, any JSON value. */
export type InputOf<Name extends string> = Name extends keyof BuiltInFunctions
  ? BuiltInFunctions[Name]['input']
  : unknown;
export type OutputOf<Name extends string> = Name extends keyof BuiltInFunctions
  ? BuiltInFunctions[Name]['output']
  : unknown;

type OneText = { readonly text: string; readonly texts?: undefined };
type ManyTexts = { readonly texts: readonly string[]; readonly text?: undefined };

export interface ClassifyFunction {
  (input: ClassifyInput & OneText, options?: TaskOptions): Promise<{ labels: readonly Label[] }>;
  (
    input: ClassifyInput & ManyTexts,
    options?: TaskOptions,
  ): Promise<{ labels: readonly (readonly Label[])[] }>;
  (input: ClassifyInput, options?: TaskOptions): Promise<ClassifyOutput>;
}

export interface ExtractFunction {
  (input: ExtractInput & OneText, options?: TaskOptions): Promise<{ entities: readonly Entity[] }>;
  (
    input: ExtractInput & ManyTexts,
    options?: TaskOptions,
  ): Promise<{ entities: readonly (readonly Entity[])[] }>;
  (input: ExtractInput, options?: TaskOptions): Promise<ExtractOutput>;
}

export interface GenerateFunction {
  (input: GenerateInput, options?: TaskOptions): Promise<GenerateOutput>;
  /**
   * Streams a generation: starts at once, gives chunks in the order of their tokens, and ends when
   * the result is committed. Leaving the loop early cancels the task, as an abort of the signal
   * does. Default of `timeoutMs`: 10 minutes. An `n` above 1 is INVALID_ARGUMENT. Throws at once,
   * without a promise, where the options are wrong.
   *
   * @example
   * for await (const chunk of os.generate.stream({ model: 'storyteller', prompt: 'Once' })) {
   *   process.stdout.write(chunk.text);
   * }
   */
  stream(input: GenerateInput, options?: TaskOptions): ReplyStream;
}

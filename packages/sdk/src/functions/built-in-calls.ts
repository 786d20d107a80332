/** The built-in functions as methods of a client. */
import type { TaskOptions } from '../call-options';
import type { ReplyStream } from '../reply-iterator';
import type {
  BuiltInFunctions,
  ClassifyFunction,
  ExtractFunction,
  GenerateFunction,
} from './function-map';

export type CallFunction = (
  name: string,
  input: unknown,
  options: TaskOptions | undefined,
) => Promise<unknown>;
export type StreamGeneration = (input: unknown, options: TaskOptions | undefined) => ReplyStream;

type Plain<Name extends keyof BuiltInFunctions> = (
  input: BuiltInFunctions[Name]['input'],
  options?: TaskOptions,
) => Promise<BuiltInFunctions[Name]['output']>;

export interface BuiltInCalls {
  /** Answers its input: any JSON value. */
  readonly echo: <Value>(input: Value, options?: TaskOptions) => Promise<Value>;
  /** Embeds one or many texts: one vector for each. */
  readonly embed: Plain<'embed'>;
  /** Labels one or many texts, best label first. */
  readonly classify: ClassifyFunction;
  /** Finds entities in one or many texts; offsets count UTF-16 units. */
  readonly extract: ExtractFunction;
  /** Continues a prompt or a conversation; `generate.stream` gives it piece by piece. */
  readonly generate: GenerateFunction;
  /** Runs any model on named tensors; see `tensor()` and `readTensor()`. */
  readonly infer: Plain<'infer'>;
}

export function builtInCalls(call: CallFunction, stream: StreamGeneration): BuiltInCalls {
  // The shapes are the contract of the wire; the kernel and the process check them.
  const plain =
    (name: keyof BuiltInFunctions) =>
    (input: unknown, options?: TaskOptions): Promise<never> =>
      call(name, input, options) as Promise<never>;
  return {
    echo: plain('echo'),
    embed: plain('embed'),
    classify: plain('classify'),
    extract: plain('extract'),
    generate: Object.assign(plain('generate'), { stream }),
    infer: plain('infer'),
  };
}

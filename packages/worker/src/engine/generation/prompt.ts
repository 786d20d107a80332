/** From a `generate` request to the tokens that the model begins with. */
import type { GenerateInput } from '@llmos/base';
import { LlmosError } from '@llmos/base';
import type { ChatTemplate } from '../../ports/chat-template';
import type { TextTokenizer } from '../../ports/text-tokenizer';
import type { EngineRequest } from '../engine';
import { ENGINE_LIMITS } from '../limits';

const DEFAULT_MAX_TOKENS = 128;

export interface Prompt {
  /** At least one. */
  readonly ids: readonly number[];
  /** Tokens that may be generated: what was asked for, within the model's context. */
  readonly budgetTokens: number;
}

export interface PromptModel {
  readonly tokenizer: TextTokenizer;
  readonly chatTemplate: ChatTemplate | undefined;
  readonly maxTokens: number;
  readonly graph: { readonly vocabularySize: number | undefined };
}

/**
 * Throws INVALID_ARGUMENT where the prompt leaves no room, naming both lengths, and where the
 * request's settings can't be met together.
 */
export function readPrompt(model: PromptModel, request: EngineRequest): Prompt {
  const input = request.input as GenerateInput;
  assertSettings(model, request, input);
  const ids =
    input.messages === undefined ? promptIds(model, input.prompt ?? '') : chatIds(model, input);
  if (ids.length === 0) {
    throw new LlmosError('INVALID_ARGUMENT', 'the prompt has no token that the model knows');
  }
  if (ids.length >= model.maxTokens) {
    throw new LlmosError(
      'INVALID_ARGUMENT',
      `the prompt has ${ids.length} tokens; the model reads at most ${model.maxTokens}, ` +
        'of which one must be left for the answer',
    );
  }
  assertKnown(ids, model, 'FAILED_PRECONDITION');
  assertKnown(request.resumeTokens, model, 'INVALID_ARGUMENT');
  return { ids, budgetTokens: Math.min(budgetOf(input), model.maxTokens - ids.length) };
}

function budgetOf(input: GenerateInput): number {
  return input.maxTokens ?? DEFAULT_MAX_TOKENS;
}

function assertSettings(model: PromptModel, request: EngineRequest, input: GenerateInput): void {
  const { n = 1, minTokens = 0, stopTokens = [], logitBias = {} } = input;
  if (n > 1 && request.stream) {
    throw new LlmosError('INVALID_ARGUMENT', `n is ${n}, but only one sample can be streamed`);
  }
  if (minTokens > budgetOf(input)) {
    throw new LlmosError(
      'INVALID_ARGUMENT',
      `minTokens is ${minTokens}, more than maxTokens, which is ${budgetOf(input)}`,
    );
  }
  assertKnown(stopTokens, model, 'INVALID_ARGUMENT');
  assertKnown(Object.keys(logitBias).map(Number), model, 'INVALID_ARGUMENT');
}

function promptIds(model: PromptModel, text: string): readonly number[] {
  const { tokenizer } = model;
  assertLength(text, model);
  const ids = [...tokenizer.prefixIds, ...tokenizer.encode(text)];
  const { bosId, addsBos } = tokenizer;
  // A caller may write the token out; twice it would be another prompt.
  const isMissing = addsBos && bosId !== undefined && ids[0] !== bosId;
  return isMissing ? [bosId, ...ids] : ids;
}

/** A template writes its own special tokens. */
function chatIds(model: PromptModel, input: GenerateInput): readonly number[] {
  if (model.chatTemplate === undefined) {
    throw new LlmosError(
      'FAILED_PRECONDITION',
      'this model has no chat template: send a prompt instead of messages',
    );
  }
  const text = model.chatTemplate.render(input.messages ?? []);
  assertLength(text, model);
  return model.tokenizer.encode(text);
}

/** Splitting a text takes a second for each 100 KB, in which nothing else is generated here. */
function assertLength(text: string, { maxTokens }: PromptModel): void {
  const most = maxTokens * ENGINE_LIMITS.maxTokenCharacters;
  if (text.length <= most) return;
  throw new LlmosError(
    'INVALID_ARGUMENT',
    `the prompt has ${text.length} characters, which are no ${maxTokens} tokens: ` +
      `the model reads at most so many, and no prompt of more than ${most} characters is tried`,
  );
}

function assertKnown(
  ids: readonly number[],
  model: PromptModel,
  code: 'FAILED_PRECONDITION' | 'INVALID_ARGUMENT',
): void {
  const size = model.graph.vocabularySize ?? Infinity;
  const unknown = ids.find((id) => !Number.isSafeInteger(id) || id < 0 || id >= size);
  if (unknown === undefined) return;
  throw new LlmosError(code, `token ${unknown} is outside the model's vocabulary of ${size}`);
}

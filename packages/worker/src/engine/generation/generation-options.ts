/** What a request asks for, with the model's own values for what it leaves out. */
import type { GenerateInput } from '@llmos/base';
import type { GenerationSettings } from '../../models/model-settings';
import type { LogitRuleSettings } from '../sampling/logit-rules';
import type { SamplingSettings } from '../sampling/sampling';

export interface GenerationOptions extends LogitRuleSettings {
  readonly sampling: SamplingSettings;
  readonly stops: readonly string[];
  /** Undefined: no log-probabilities. */
  readonly topLogprobs: number | undefined;
}

export function readOptions(input: GenerateInput, own: GenerationSettings): GenerationOptions {
  const { stopTokens = [], logitBias = {} } = input;
  return {
    sampling: {
      temperature: input.temperature ?? own.temperature,
      topK: input.topK ?? own.topK,
      topP: input.topP ?? own.topP,
      minP: input.minP ?? own.minP,
    },
    repetitionPenalty: input.repetitionPenalty ?? own.repetitionPenalty,
    presencePenalty: input.presencePenalty ?? 0,
    frequencyPenalty: input.frequencyPenalty ?? 0,
    bias: new Map(Object.entries(logitBias).map(([id, bias]) => [Number(id), bias])),
    ends: stopTokens.length === 0 ? own.endIds : new Set([...own.endIds, ...stopTokens]),
    minTokens: input.minTokens ?? 0,
    stops: stopsOf(input),
    topLogprobs: input.topLogprobs,
  };
}

function stopsOf(input: GenerateInput): readonly string[] {
  if (input.stop === undefined) return [];
  return typeof input.stop === 'string' ? [input.stop] : input.stop;
}

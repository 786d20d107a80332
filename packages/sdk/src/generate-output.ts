import type { GenerateOutput, GenerateSample } from '@llmos/base';
import { areLogprobs, areTokens, isFinishReason, isRecord } from '@llmos/base';

/** Reads the committed output of a generation; undefined where it is none. */
export function parseGenerateOutput(value: unknown): GenerateOutput | undefined {
  const sample = parseSample(value);
  if (sample === undefined || !isRecord(value)) return undefined;
  const { promptTokens, samples } = value;
  if (typeof promptTokens !== 'number') return undefined;
  if (samples === undefined) return { ...sample, promptTokens };
  if (!Array.isArray(samples)) return undefined;
  const all = samples.map(parseSample);
  if (!all.every((one) => one !== undefined)) return undefined;
  return { ...sample, promptTokens, samples: all };
}

function parseSample(value: unknown): GenerateSample | undefined {
  if (!isRecord(value)) return undefined;
  const { text, tokens, finishReason, logprobs } = value;
  if (typeof text !== 'string' || !areTokens(tokens)) return undefined;
  if (!isFinishReason(finishReason)) return undefined;
  if (logprobs === undefined) return { text, tokens, finishReason };
  return areLogprobs(logprobs) ? { text, tokens, finishReason, logprobs } : undefined;
}

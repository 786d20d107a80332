import type { GenerateOutput, GenerateSample, GenerateUsage } from '@llmos/base';
import { areLogprobs, areTokens, isFinishReason, isRecord } from '@llmos/base';

/** Reads the committed output of a generation; undefined where it is none. */
export function parseGenerateOutput(value: unknown): GenerateOutput | undefined {
  const sample = parseSample(value);
  if (sample === undefined || !isRecord(value)) return undefined;
  const { promptTokens, samples } = value;
  if (typeof promptTokens !== 'number') return undefined;
  const usage = parseUsage(value['usage']);
  const rest = { promptTokens, ...(usage && { usage }) };
  if (samples === undefined) return { ...sample, ...rest };
  if (!Array.isArray(samples)) return undefined;
  const all = samples.map(parseSample);
  if (!all.every((one) => one !== undefined)) return undefined;
  return { ...sample, ...rest, samples: all };
}

/** One that is none is left out: the text is what was asked for. */
function parseUsage(value: unknown): GenerateUsage | undefined {
  if (!isRecord(value)) return undefined;
  const { inputTokens, cachedTokens, outputTokens } = value;
  return isCount(inputTokens) && isCount(cachedTokens) && isCount(outputTokens)
    ? { inputTokens, cachedTokens, outputTokens }
    : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseSample(value: unknown): GenerateSample | undefined {
  if (!isRecord(value)) return undefined;
  const { text, tokens, finishReason, logprobs } = value;
  if (typeof text !== 'string' || !areTokens(tokens)) return undefined;
  if (!isFinishReason(finishReason)) return undefined;
  if (logprobs === undefined) return { text, tokens, finishReason };
  return areLogprobs(logprobs) ? { text, tokens, finishReason, logprobs } : undefined;
}

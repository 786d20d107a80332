import type { GenerateOutput } from '@llmos/base';
import { areTokens, isRecord } from '@llmos/base';

/** Reads the committed output of a generation; undefined where it is none. */
export function parseGenerateOutput(value: unknown): GenerateOutput | undefined {
  if (!isRecord(value)) return undefined;
  const { text, tokens, promptTokens, finishReason } = value;
  if (typeof text !== 'string' || !areTokens(tokens)) return undefined;
  if (typeof promptTokens !== 'number') return undefined;
  if (finishReason !== 'stop' && finishReason !== 'length') return undefined;
  return { text, tokens, promptTokens, finishReason };
}

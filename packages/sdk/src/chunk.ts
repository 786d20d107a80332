import type { GenerateChunk, GenerateOutput } from '@llmos/base';
import { decodeJson, isRecord } from '@llmos/base';

/** Reads a chunk of a generation; undefined where the bytes are none. */
export function parseChunk(bytes: Uint8Array): GenerateChunk | undefined {
  let value: unknown;
  try {
    value = decodeJson(bytes);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { index, text, tokens, finishReason } = value;
  if (!Number.isSafeInteger(index) || (index as number) < 0) return undefined;
  if (typeof text !== 'string' || !isTokens(tokens)) return undefined;
  if (finishReason === undefined) return { index: index as number, text, tokens };
  if (finishReason !== 'stop' && finishReason !== 'length') return undefined;
  return { index: index as number, text, tokens, finishReason };
}

/** Reads the committed output of a generation; undefined where it is none. */
export function parseGenerateOutput(value: unknown): GenerateOutput | undefined {
  if (!isRecord(value)) return undefined;
  const { text, tokens, promptTokens, finishReason } = value;
  if (typeof text !== 'string' || !isTokens(tokens)) return undefined;
  if (typeof promptTokens !== 'number') return undefined;
  if (finishReason !== 'stop' && finishReason !== 'length') return undefined;
  return { text, tokens, promptTokens, finishReason };
}

function isTokens(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((token) => Number.isSafeInteger(token));
}

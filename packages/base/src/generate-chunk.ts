/** Chunks of a running generation as they are stored: always JSON. */
import type { GenerateChunk } from './functions/function-types';
import { decodeJson, encodeJson, isRecord } from './result';

export function encodeChunk(chunk: GenerateChunk): Uint8Array {
  return encodeJson(chunk);
}

/** Undefined where the bytes are not a chunk. */
export function parseChunk(bytes: Uint8Array): GenerateChunk | undefined {
  let value: unknown;
  try {
    value = decodeJson(bytes);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { index, text, tokens, finishReason } = value;
  if (!isIndex(index) || typeof text !== 'string' || !areTokens(tokens)) return undefined;
  if (finishReason === undefined) return { index, text, tokens };
  if (finishReason !== 'stop' && finishReason !== 'length') return undefined;
  return { index, text, tokens, finishReason };
}

export function areTokens(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(isIndex);
}

function isIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Chunks as they are stored: always JSON. */
import type { GenerateChunk } from '@llmos/base';
import { decodeJson, encodeJson, isRecord } from '@llmos/base';

export function encodeChunk(chunk: GenerateChunk): Uint8Array {
  return encodeJson(chunk);
}

/** Undefined where the bytes are not a chunk. */
export function decodeChunk(bytes: Uint8Array): GenerateChunk | undefined {
  let value: unknown;
  try {
    value = decodeJson(bytes);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { index, text, tokens, finishReason } = value;
  if (!isIndex(index) || typeof text !== 'string') return undefined;
  if (!Array.isArray(tokens) || !tokens.every(isIndex)) return undefined;
  if (finishReason === undefined) return { index, text, tokens };
  if (finishReason !== 'stop' && finishReason !== 'length') return undefined;
  return { index, text, tokens, finishReason };
}

function isIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

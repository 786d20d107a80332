/** Chunks of a running generation as they are stored: always JSON. */
import type {
  ChosenLogprob,
  FinishReason,
  GenerateChunk,
  TokenLogprob,
} from './functions/function-types';
import { decodeJson, encodeJson, isRecord } from './result';
import type { HeaderSource } from './task-headers';
import { HEADERS } from './task-headers';

export interface StoredChunk {
  readonly sequence: number;
  /** Of the attempt that wrote it; 0 where that can't be read. */
  readonly attempt: number;
  /** Undefined where the stored bytes are not a chunk. */
  readonly chunk: GenerateChunk | undefined;
}

export function encodeChunk(chunk: GenerateChunk): Uint8Array {
  return encodeJson(chunk);
}

/** The attempt that wrote a chunk, by its headers; 0 where they tell none. */
export function chunkAttempt(get: HeaderSource): number {
  const attempt = Number(get(HEADERS.attempt) ?? 0);
  return Number.isSafeInteger(attempt) ? attempt : 0;
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
  const { index, text, tokens, finishReason, logprobs } = value;
  if (!isIndex(index) || typeof text !== 'string' || !areTokens(tokens)) return undefined;
  if (finishReason !== undefined && !isFinishReason(finishReason)) return undefined;
  if (logprobs !== undefined && !areLogprobs(logprobs)) return undefined;
  return {
    index,
    text,
    tokens,
    ...(finishReason === undefined ? {} : { finishReason }),
    ...(logprobs === undefined ? {} : { logprobs }),
  };
}

export function isFinishReason(value: unknown): value is FinishReason {
  return value === 'stop' || value === 'length';
}

export function areLogprobs(value: unknown): value is readonly ChosenLogprob[] {
  const isChosen = (item: unknown): boolean =>
    isLogprob(item) && isRecord(item) && Array.isArray(item['top']) && item['top'].every(isLogprob);
  return Array.isArray(value) && value.every(isChosen);
}

export function areTokens(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(isIndex);
}

function isIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isLogprob(value: unknown): value is TokenLogprob {
  if (!isRecord(value)) return false;
  return (
    isIndex(value['token']) &&
    typeof value['text'] === 'string' &&
    typeof value['logprob'] === 'number'
  );
}

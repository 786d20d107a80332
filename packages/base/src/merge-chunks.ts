/** Several chunks of a generation as one. Pure. */
import type { GenerateChunk } from './functions/function-types';

export interface MergeLimits {
  readonly maxTokens: number;
  /** By `chunkBytes`. */
  readonly maxBytes: number;
}

/**
 * The longest run of consecutive chunks from the front that fits one, as that one; at least one,
 * however large it is. Undefined where there are none.
 */
export function mergeChunks(
  chunks: readonly GenerateChunk[],
  limits: MergeLimits,
): { chunk: GenerateChunk; count: number } | undefined {
  const [first] = chunks;
  if (first === undefined) return undefined;
  const tokens = [...first.tokens];
  const logprobs = [...(first.logprobs ?? [])];
  let { text, finishReason } = first;
  let bytes = chunkBytes(first);
  let count = 1;
  for (const next of chunks.slice(1)) {
    const isNext = next.index === first.index + tokens.length && finishReason === undefined;
    bytes += chunkBytes(next);
    const isFull = tokens.length + next.tokens.length > limits.maxTokens;
    if (!isNext || isFull || bytes > limits.maxBytes) break;
    tokens.push(...next.tokens);
    logprobs.push(...(next.logprobs ?? []));
    text += next.text;
    finishReason = next.finishReason;
    count += 1;
  }
  const chunk: GenerateChunk = {
    index: first.index,
    text,
    tokens,
    ...(finishReason === undefined ? {} : { finishReason }),
    ...(logprobs.length === 0 ? {} : { logprobs }),
  };
  return { chunk, count };
}

/** About what a chunk takes as JSON, rather too much: 4 bytes cover any UTF-16 unit in UTF-8. */
export function chunkBytes(chunk: GenerateChunk): number {
  const { text, tokens, logprobs = [] } = chunk;
  const listed = logprobs.reduce((sum, chosen) => sum + 1 + chosen.top.length, 0);
  return text.length * 4 + tokens.length * TOKEN_BYTES + listed * LOGPROB_BYTES;
}

const TOKEN_BYTES = 16;
/** Token, text and logarithm with their names. */
const LOGPROB_BYTES = 80;

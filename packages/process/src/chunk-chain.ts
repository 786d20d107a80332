/**
 * Where a generation's stream stands, and what may be appended to it. Pure.
 *
 * The chunks of one task are a chain: each is stored only right after its predecessor. Whoever has
 * the highest attempt owns the chain; a lower one that meets a chunk of a higher one was replaced.
 * Generations are deterministic, so what another attempt stored first is simply skipped.
 */
import type { GenerateChunk } from '@llmos/base';
import type { StoredChunk } from './ports/task-store';

export interface ChainState {
  /** Of the last stored chunk; 0 while there is none. */
  readonly lastSequence: number;
  /** Index of the next token to store. */
  readonly nextIndex: number;
  /** Tokens from index 0 on; undefined where the stream has a gap and nothing can be resumed. */
  readonly tokens: readonly number[] | undefined;
  readonly isFinished: boolean;
}

export const EMPTY_CHAIN: ChainState = {
  lastSequence: 0,
  nextIndex: 0,
  tokens: [],
  isFinished: false,
};

/** @param chunks all that were stored after `chain.lastSequence`, in order. */
export function applyStored(
  chain: ChainState,
  chunks: readonly StoredChunk[],
  lastSequence: number,
): ChainState {
  let { nextIndex, isFinished } = chain;
  let tokens: number[] | undefined = chain.tokens === undefined ? undefined : [...chain.tokens];
  for (const { chunk } of chunks) {
    if (chunk === undefined) continue;
    const end = chunk.index + chunk.tokens.length;
    if (chunk.index > nextIndex) tokens = undefined;
    else tokens?.push(...chunk.tokens.slice(nextIndex - chunk.index));
    nextIndex = Math.max(nextIndex, end);
    isFinished ||= chunk.finishReason !== undefined;
  }
  return { lastSequence, nextIndex, tokens, isFinished };
}

/** Whether a chunk in the way belongs to an attempt that replaced this one. */
export function isReplaced(attempt: number, chunks: readonly StoredChunk[]): boolean {
  return chunks.some((stored) => stored.attempt > attempt);
}

export type PieceVerdict = 'new' | 'stored' | 'overlaps';

/** Whether the chain holds a piece already. One that it holds by half can't be cut: text is whole. */
export function checkPiece(chain: ChainState, piece: GenerateChunk): PieceVerdict {
  const end = piece.index + piece.tokens.length;
  if (piece.tokens.length === 0) return chain.isFinished ? 'stored' : 'new';
  if (end <= chain.nextIndex) {
    return piece.finishReason !== undefined && !chain.isFinished ? 'overlaps' : 'stored';
  }
  return piece.index < chain.nextIndex ? 'overlaps' : 'new';
}

export interface MergeLimits {
  readonly maxTokens: number;
  readonly maxBytes: number;
}

/** The longest run of pieces from the front that fits one chunk, as that chunk; at least one. */
export function mergePieces(
  pieces: readonly GenerateChunk[],
  limits: MergeLimits,
): { chunk: GenerateChunk; count: number } | undefined {
  const [first] = pieces;
  if (first === undefined) return undefined;
  const tokens = [...first.tokens];
  let text = first.text;
  let finishReason = first.finishReason;
  let count = 1;
  for (const piece of pieces.slice(1)) {
    const isNext = piece.index === first.index + tokens.length && finishReason === undefined;
    const tokenCount = tokens.length + piece.tokens.length;
    // Four bytes cover any UTF-16 unit in UTF-8; sixteen a token id in JSON.
    const bytes = (text.length + piece.text.length) * 4 + tokenCount * 16;
    if (!isNext || tokenCount > limits.maxTokens || bytes > limits.maxBytes) break;
    tokens.push(...piece.tokens);
    text += piece.text;
    finishReason = piece.finishReason;
    count += 1;
  }
  const base = { index: first.index, text, tokens };
  return { chunk: finishReason === undefined ? base : { ...base, finishReason }, count };
}

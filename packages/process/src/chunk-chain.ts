/**
 * Where a generation's stream stands, and what may be appended to it. Pure.
 *
 * The chunks of one task are a chain: each is stored only right after its predecessor. Whoever has
 * the highest attempt owns the chain; a lower one that meets a chunk of a higher one was replaced.
 * Generations are deterministic, so what another attempt stored first is simply skipped.
 */
import type { GenerateChunk, StoredChunk } from '@llmos/base';

export interface ChainState {
  /** Of the last stored chunk; 0 while there is none. */
  readonly lastSequence: number;
  /** Index of the next token to store. */
  readonly nextIndex: number;
  /** Tokens from index 0 on; undefined where the stream has a gap and nothing can be resumed. */
  readonly tokens: readonly number[] | undefined;
  /** Characters (UTF-16 units) before `nextIndex`; undefined after a gap, or an overlap. */
  readonly textLength: number | undefined;
  readonly isFinished: boolean;
}

export const EMPTY_CHAIN: ChainState = {
  lastSequence: 0,
  nextIndex: 0,
  tokens: [],
  textLength: 0,
  isFinished: false,
};

/** @param chunks all that were stored after `chain.lastSequence`, in order. */
export function applyStored(
  chain: ChainState,
  chunks: readonly StoredChunk[],
  lastSequence: number,
): ChainState {
  let { nextIndex, isFinished } = chain;
  let textLength: number | undefined = chain.textLength;
  let tokens: number[] | undefined = chain.tokens === undefined ? undefined : [...chain.tokens];
  for (const { chunk } of chunks) {
    if (chunk === undefined) continue;
    const end = chunk.index + chunk.tokens.length;
    if (chunk.index > nextIndex) tokens = undefined;
    else for (const token of chunk.tokens.slice(nextIndex - chunk.index)) tokens?.push(token);
    if (end > nextIndex) {
      const isNext = chunk.index === nextIndex && textLength !== undefined;
      textLength = isNext ? (textLength ?? 0) + chunk.text.length : undefined;
    }
    nextIndex = Math.max(nextIndex, end);
    isFinished ||= chunk.finishReason !== undefined;
  }
  return { lastSequence, nextIndex, tokens, textLength, isFinished };
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

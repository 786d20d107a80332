/**
 * Where a generation's stream stands, and what may be appended to it. No I/O.
 *
 * The chunks of one task are a chain: each is stored only right after its predecessor. Whoever has
 * the highest attempt owns the chain; a lower one that meets a chunk of a higher one was replaced.
 * Generations are deterministic, so what another attempt stored first is simply skipped.
 *
 * One writer: the chunk writer of the attempt. The list of tokens only grows, and is never copied:
 * a stream of n chunks costs n steps.
 */
import type { GenerateChunk, StoredChunk } from '@llmos/base';

export class ChunkChain {
  private last = 0;
  private next = 0;
  private known: number[] | undefined = [];
  private characters: number | undefined = 0;
  private hasEnd = false;

  /** Sequence of the last stored chunk; 0 while there is none. */
  get lastSequence(): number {
    return this.last;
  }

  /** Index of the next token to store. */
  get nextIndex(): number {
    return this.next;
  }

  /** Tokens from index 0 on; undefined where the stream has a gap and nothing can be resumed. */
  get tokens(): readonly number[] | undefined {
    return this.known;
  }

  /** Characters (UTF-16 units) before `nextIndex`; undefined after a gap, or an overlap. */
  get textLength(): number | undefined {
    return this.characters;
  }

  get isFinished(): boolean {
    return this.hasEnd;
  }

  /** @param chunks all that were stored after `lastSequence`, in order. */
  apply(chunks: readonly StoredChunk[], lastSequence: number): void {
    for (const { chunk } of chunks) if (chunk !== undefined) this.append(chunk);
    this.last = lastSequence;
  }

  private append({ index, tokens, text, finishReason }: GenerateChunk): void {
    const end = index + tokens.length;
    if (index > this.next) this.known = undefined;
    else for (const token of tokens.slice(this.next - index)) this.known?.push(token);
    if (end > this.next) {
      const isWhole = index === this.next && this.characters !== undefined;
      this.characters = isWhole ? (this.characters ?? 0) + text.length : undefined;
      this.next = end;
    }
    this.hasEnd ||= finishReason !== undefined;
  }
}

/** Whether a chunk in the way belongs to an attempt that replaced this one. */
export function isReplaced(attempt: number, chunks: readonly StoredChunk[]): boolean {
  return chunks.some((stored) => stored.attempt > attempt);
}

export type PieceVerdict = 'new' | 'stored' | 'overlaps';

/** Whether the chain holds a piece already. One that it holds by half can't be cut: text is whole. */
export function checkPiece(
  chain: Pick<ChunkChain, 'nextIndex' | 'isFinished'>,
  piece: GenerateChunk,
): PieceVerdict {
  const end = piece.index + piece.tokens.length;
  if (piece.tokens.length === 0) return chain.isFinished ? 'stored' : 'new';
  if (end <= chain.nextIndex) {
    return piece.finishReason !== undefined && !chain.isFinished ? 'overlaps' : 'stored';
  }
  return piece.index < chain.nextIndex ? 'overlaps' : 'new';
}

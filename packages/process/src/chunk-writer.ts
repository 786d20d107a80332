/**
 * Streams one attempt's tokens into the stream of its task, which other attempts may write too: the
 * store takes a chunk only right after the one that its writer named, and so decides who is next.
 *
 * One writer of its chain and of what is pending. Readers may assume that tokens come in order and
 * whole; that none comes twice is theirs to check, by index: another attempt may have stored it.
 *
 * - N1: at most one chunk is on its way. What arrives meanwhile, or before the pace allows the
 *   next, goes together in that; the borders of what is on its way never move.
 * - N2: a refused chunk makes it read what got in between (chunk-chain.ts): the tokens of a lower
 *   attempt are skipped, a higher attempt ends this one.
 * - N3: a chunk that timed out may be stored: the next try is refused then, and finds its own.
 * - N4: what waits is bounded by joining it, never by losing it; a stream that can't go on says so
 *   once (`onEnd`), and takes nothing more.
 * - N5: refusals are bounded: more than `maxChunkRefusals` without a token of progress is a fight
 *   that no one should win.
 */
import type { AttemptRef, ErrorBody, GenerateChunk, StoredChunk } from '@llmos/base';
import { backoffMs, errorBody, mergeChunks, toErrorBody } from '@llmos/base';
import type { GenerationState } from './attempt';
import { ChunkChain, checkPiece, isReplaced } from './chunk-chain';
import type { ChunkPace } from './chunk-pace';
import { PROCESS_LIMITS } from './limits';
import type { Pause } from './pause';
import type { ChunksOutcome, TaskStore } from './ports/task-store';

export interface ChunkWriterParts {
  readonly store: TaskStore;
  readonly ref: AttemptRef;
  readonly pause: Pause;
  readonly signal: AbortSignal;
  /** Shared by the streams of the process. */
  readonly pace: ChunkPace;
  /** Called once, when nothing more can be streamed: the attempt must stop. */
  readonly onEnd: (end: ChunkEnd) => void;
  /** Called once, when the first token of the stream is stored, where it is this attempt's. */
  readonly onFirstToken?: () => void;
}

export type ChunkEnd =
  { readonly kind: 'replaced' } | { readonly kind: 'failed'; readonly error: ErrorBody };

export class ChunkWriter {
  private readonly chain = new ChunkChain();
  private pending: GenerateChunk[] = [];
  /** Pieces at the front of `pending` that are in the chunk on its way. */
  private sending = 0;
  private pumping: Promise<void> | undefined;
  /** Ends the wait for the next chunk, where there is one. */
  private hurry: AbortController | undefined;
  private isFlushing = false;
  private leavePace: (() => void) | undefined;
  private end: ChunkEnd | undefined;

  constructor(private readonly parts: ChunkWriterParts) {
    parts.signal.addEventListener('abort', () => this.hurry?.abort(), { once: true });
  }

  /** Reads what earlier attempts streamed. Call once, before the first token. */
  async open(): Promise<void> {
    await this.catchUp();
  }

  /** Tokens to go on after; empty where the stream is empty, ended or has a gap. */
  get resumeTokens(): readonly number[] {
    return this.chain.tokens ?? [];
  }

  /**
   * Stores what of a generation that is given back is not stored yet, as one chunk, so that the
   * next attempt goes on after it. Where that can't be done the next attempt makes it again.
   */
  async keep(state: GenerationState): Promise<void> {
    await this.flush();
    const { nextIndex, tokens: stored, textLength, isFinished } = this.chain;
    const tokens = state.tokens.slice(nextIndex);
    if (tokens.length === 0 || stored === undefined || textLength === undefined) return;
    const chunk = { index: nextIndex, text: state.text.slice(textLength), tokens };
    // Four bytes cover any UTF-16 unit in UTF-8; sixteen a token id in JSON.
    const bytes = chunk.text.length * 4 + tokens.length * 16;
    if (isFinished || bytes > PROCESS_LIMITS.maxKeptBytes) return;
    this.emit(chunk);
    await this.flush();
  }

  /** Pieces that are not stored yet. */
  get waitingPieces(): number {
    return this.pending.length;
  }

  /** A piece that has no tokens and ends nothing is dropped: the result has its text. */
  emit(piece: GenerateChunk): void {
    if (this.end !== undefined || this.parts.signal.aborted) return;
    // It would not move the chain on, so nothing could tell whether it was stored.
    if (piece.tokens.length === 0 && piece.finishReason === undefined) return;
    this.leavePace ??= this.parts.pace.begin();
    this.hold(piece);
    if (piece.finishReason !== undefined) this.hurry?.abort();
    this.startPump();
  }

  /** Resolves when every token is stored, or streaming has ended. */
  async flush(): Promise<ChunkEnd | undefined> {
    this.isFlushing = true;
    this.hurry?.abort();
    while (this.pumping !== undefined) await this.pumping;
    this.isFlushing = false;
    this.leavePace?.();
    this.leavePace = undefined;
    return this.end;
  }

  /** N4: while the store is slow or away, what waits is bounded by the tokens. */
  private hold(piece: GenerateChunk): void {
    const last = this.pending.at(-1);
    const isFull = this.pending.length - this.sending >= PROCESS_LIMITS.maxPendingPieces;
    // N1: what is in the chunk on its way may turn out to be stored.
    const joined = isFull && last !== undefined ? mergeChunks([last, piece], MERGE) : undefined;
    if (joined?.count === 2) this.pending[this.pending.length - 1] = joined.chunk;
    else this.pending.push(piece);
  }

  private isOver(): boolean {
    return this.end !== undefined || this.parts.signal.aborted;
  }

  private startPump(): void {
    this.pumping ??= this.pump()
      // Nobody awaits the pump while tokens come: a defect in it must not end the whole program.
      .catch((thrown: unknown) => this.endWith({ kind: 'failed', error: toErrorBody(thrown) }))
      .finally(() => {
        this.pumping = undefined;
        // A token may have come between the pump's last look and this moment.
        if (this.pending.length > 0 && !this.isOver()) this.startPump();
      });
  }

  private async pump(): Promise<void> {
    // The pieces of one turn go together.
    await Promise.resolve();
    while (this.pending.length > 0 && !this.isOver()) {
      this.dropStored();
      const merged = mergeChunks(this.pending, MERGE);
      if (merged === undefined || this.isOver()) return;
      this.sending = merged.count;
      await this.store(merged.chunk);
      this.sending = 0;
      if (merged.chunk.finishReason === undefined) await this.waitForMore();
    }
  }

  private async waitForMore(): Promise<void> {
    const { pace, pause } = this.parts;
    const hasAll = this.pending.at(-1)?.finishReason !== undefined;
    if (pace.waitMs === 0 || hasAll || this.isFlushing || this.isOver()) return;
    this.hurry = new AbortController();
    await pause(pace.waitMs, this.hurry.signal);
    this.hurry = undefined;
  }

  /** Stores one chunk, or learns that others were stored first; then the pump tries again. */
  private async store(chunk: GenerateChunk): Promise<void> {
    const { store, ref, pause, signal } = this.parts;
    for (let failures = 0, refusals = 0; !this.isOver();) {
      const put = await store.putChunk(ref, chunk, this.chain.lastSequence);
      if (put.kind === 'stored') {
        const stored = { sequence: put.sequence, attempt: ref.attempt, chunk };
        this.advance([stored], put.sequence);
        this.dropStored();
        return;
      }
      if (put.kind === 'too-large') {
        const message = `a chunk is larger than ${put.limitBytes} bytes`;
        this.endWith({ kind: 'failed', error: errorBody('RESOURCE_EXHAUSTED', message, final) });
        return;
      }
      if (put.kind === 'refused') {
        refusals += 1;
        const { nextIndex } = this.chain;
        await this.catchUp();
        if (this.chain.nextIndex !== nextIndex || this.chain.isFinished) return;
        // N5.
        if (refusals < PROCESS_LIMITS.maxChunkRefusals) continue;
        this.endWith({ kind: 'failed', error: errorBody('ABORTED', 'the stream is contested') });
        return;
      }
      failures += 1;
      await pause(backoffMs(PROCESS_LIMITS.storeRetry, failures), signal);
    }
  }

  private advance(chunks: readonly StoredChunk[], lastSequence: number): void {
    const wasEmpty = this.chain.nextIndex === 0;
    this.chain.apply(chunks, lastSequence);
    // What was there before this writer stored anything is nothing that it wrote.
    if (!wasEmpty || this.chain.nextIndex === 0 || this.sending === 0) return;
    const isOwn = chunks.some(({ attempt }) => attempt === this.parts.ref.attempt);
    if (isOwn) this.parts.onFirstToken?.();
  }

  private async catchUp(): Promise<void> {
    for (let count = 0, hasMore = true; hasMore && !this.isOver();) {
      const read = await this.readAfter(this.chain.lastSequence);
      if (read === undefined) return;
      if (isReplaced(this.parts.ref.attempt, read.chunks)) {
        this.endWith({ kind: 'replaced' });
        return;
      }
      this.advance(read.chunks, read.lastSequence);
      count += read.chunks.length;
      hasMore = read.hasMore;
      const isOverfull =
        Math.max(count, this.resumeTokens.length) >= PROCESS_LIMITS.maxStoredChunks;
      if (hasMore && isOverfull) this.endAsOverfull();
    }
    if (!this.isOver()) this.dropStored();
  }

  /** No attempt wrote these all: another one would read as many, and end as this one. */
  private endAsOverfull(): void {
    const most = PROCESS_LIMITS.maxStoredChunks;
    const message = `the stream of this task has more than ${most} chunks or tokens: no generation does`;
    this.endWith({ kind: 'failed', error: errorBody('FAILED_PRECONDITION', message, final) });
  }

  private async readAfter(
    sequence: number,
  ): Promise<Extract<ChunksOutcome, { kind: 'read' }> | undefined> {
    const { store, ref, pause, signal } = this.parts;
    for (let failures = 1; !this.isOver(); failures += 1) {
      const read = await store.readChunks(ref, sequence);
      if (read.kind === 'read') return read;
      await pause(backoffMs(PROCESS_LIMITS.storeRetry, failures), signal);
    }
    return undefined;
  }

  private dropStored(): void {
    while (this.pending.length > 0) {
      const [piece] = this.pending;
      const verdict = piece === undefined ? 'stored' : checkPiece(this.chain, piece);
      if (verdict === 'new') return;
      if (verdict === 'overlaps') {
        const message = 'another attempt streamed a part of these tokens';
        this.endWith({ kind: 'failed', error: errorBody('ABORTED', message) });
        return;
      }
      this.pending.shift();
    }
  }

  private endWith(end: ChunkEnd): void {
    if (this.end !== undefined) return;
    this.end = end;
    this.pending = [];
    this.parts.onEnd(end);
  }
}

const final = { retryable: false } as const;
const MERGE = { maxTokens: PROCESS_LIMITS.maxChunkTokens, maxBytes: PROCESS_LIMITS.maxChunkBytes };

/**
 * What a reader of chunks has not taken yet, as an async iteration. One writer, the stream.
 *
 * A slow reader loses nothing: beyond a bound, chunks are joined.
 */
import type { GenerateChunk } from '@llmos/base';
import { ChunkBuffer } from './chunk-buffer';
import { SDK_LIMITS } from './limits';
import type { Doorbell, CreateDoorbell } from './ports/doorbell';

export class ReplyQueue {
  private readonly buffer = new ChunkBuffer();
  private readonly doorbell: Doorbell;
  private turn: Promise<unknown> = Promise.resolve();
  private error: unknown;
  private hasEnded = false;

  constructor(createDoorbell: CreateDoorbell) {
    this.doorbell = createDoorbell();
  }

  get isOver(): boolean {
    return this.hasEnded;
  }

  push(chunk: GenerateChunk): void {
    if (this.hasEnded) return;
    this.buffer.push(chunk);
    this.doorbell.ring();
  }

  /** Nothing more comes; the error is thrown after what is held. The first call counts. */
  end(error: unknown): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.error = error;
    this.doorbell.ring();
  }

  clear(): void {
    this.buffer.clear();
  }

  /** Calls wait for each other, so each chunk goes to one of them, in order. */
  next(): Promise<IteratorResult<GenerateChunk>> {
    const turn = this.turn.then(() => this.pull());
    this.turn = turn.catch(() => undefined);
    return turn;
  }

  private async pull(): Promise<IteratorResult<GenerateChunk>> {
    for (;;) {
      const chunk = this.buffer.shift();
      if (chunk !== undefined) return { done: false, value: chunk };
      if (this.hasEnded) break;
      await this.doorbell.wait(SDK_LIMITS.streamTimeoutMs);
    }
    const { error } = this;
    this.error = undefined;
    if (error !== undefined) throw error as Error;
    return { done: true, value: undefined };
  }
}

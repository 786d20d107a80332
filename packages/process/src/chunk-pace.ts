/**
 * How often the streams of one process store a chunk. Alone, a stream stores nearly every token by
 * itself; the more of them run, the longer each waits, and the more tokens go together. So the
 * chunks of a process per second are bounded, however many tokens it makes.
 */
import { PROCESS_LIMITS } from './limits';

export class ChunkPace {
  private running = 0;

  /** @param chunkMs of waiting between two chunks of a stream, for each stream that runs; 0: none. */
  constructor(private readonly chunkMs: number) {}

  get waitMs(): number {
    return Math.min(this.chunkMs * this.running, PROCESS_LIMITS.maxChunkWaitMs);
  }

  /** A stream has begun. @returns how to say that it has ended; the first time counts. */
  begin(): () => void {
    this.running += 1;
    let hasEnded = false;
    return () => {
      if (!hasEnded) this.running -= 1;
      hasEnded = true;
    };
  }
}

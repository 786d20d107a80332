/** Chunks that wait for a reader: bounded, and nothing is lost, because a full one joins chunks. */
import type { ChosenLogprob, FinishReason, GenerateChunk } from '@llmos/base';
import { SDK_LIMITS } from './limits';

interface HeldChunk {
  readonly index: number;
  text: string;
  readonly tokens: number[];
  finishReason?: FinishReason;
  logprobs?: ChosenLogprob[];
}

export class ChunkBuffer {
  private chunks: HeldChunk[] = [];

  push(chunk: GenerateChunk): void {
    const last = this.chunks.at(-1);
    if (last === undefined || this.chunks.length < SDK_LIMITS.maxBufferedChunks) {
      const { logprobs, ...rest } = chunk;
      const own = logprobs === undefined ? {} : { logprobs: [...logprobs] };
      this.chunks.push({ ...rest, tokens: [...chunk.tokens], ...own });
      return;
    }
    last.text += chunk.text;
    for (const token of chunk.tokens) last.tokens.push(token);
    if (chunk.logprobs !== undefined) (last.logprobs ??= []).push(...chunk.logprobs);
    if (chunk.finishReason !== undefined) last.finishReason = chunk.finishReason;
  }

  shift(): GenerateChunk | undefined {
    return this.chunks.shift();
  }

  clear(): void {
    this.chunks = [];
  }
}

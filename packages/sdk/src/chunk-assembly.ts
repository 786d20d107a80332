/**
 * Puts the chunks of one generation into the order of their tokens. Pure; one writer, its stream.
 *
 * Chunks come twice, late, from two hosts after a failover, or not at all. Invariants:
 * R1 each token is given out at most once, in the order of the index;
 * R2 what was given out is a prefix of the text, unless `complete` says that it diverged.
 */
import type { GenerateChunk, GenerateOutput } from '@llmos/base';
import { SDK_LIMITS } from './limits';

export type Completion =
  /** What was missing, as one chunk; undefined where nothing was. */
  | { readonly kind: 'completed'; readonly rest: GenerateChunk | undefined }
  /** The text given out differs from the committed one from this character on. */
  | { readonly kind: 'diverged'; readonly atCharacter: number };

export class ChunkAssembly {
  private text = '';
  private nextIndex = 0;
  private isFinished = false;
  /** Index of the last chunk without tokens that was taken, which comes at most once. */
  private lastEmptyIndex = -1;
  /** Token index → length of the text before it, at the borders of chunks. */
  private readonly textLengths = new Map<number, number>([[0, 0]]);
  private readonly early = new Map<number, GenerateChunk>();

  /** Whether chunks wait for an earlier one that has not come. */
  get hasGap(): boolean {
    return this.early.size > 0;
  }

  /** Takes a chunk and answers what can be given out now, in order. */
  accept(chunk: GenerateChunk): readonly GenerateChunk[] {
    if (chunk.index > this.nextIndex) {
      if (this.early.size < SDK_LIMITS.maxEarlyChunks) this.early.set(chunk.index, chunk);
      return [];
    }
    const ready: GenerateChunk[] = [];
    for (let next: GenerateChunk | undefined = chunk; next !== undefined; next = this.takeEarly()) {
      const part = this.append(next);
      if (part !== undefined) ready.push(part);
    }
    return ready;
  }

  /** The committed output is the truth; it fills in what never came. */
  complete(output: GenerateOutput): Completion {
    const isPrefix = output.text.startsWith(this.text);
    if (!isPrefix && !this.text.startsWith(output.text)) {
      return { kind: 'diverged', atCharacter: firstDifference(this.text, output.text) };
    }
    const rest: GenerateChunk = {
      index: this.nextIndex,
      text: output.text.slice(this.text.length),
      tokens: output.tokens.slice(this.nextIndex),
      finishReason: output.finishReason,
    };
    const isMissing = rest.text !== '' || rest.tokens.length > 0 || !this.isFinished;
    return { kind: 'completed', rest: isMissing ? rest : undefined };
  }

  private takeEarly(): GenerateChunk | undefined {
    for (const [index, chunk] of this.early) {
      if (index > this.nextIndex) continue;
      this.early.delete(index);
      return chunk;
    }
    return undefined;
  }

  /** @returns the part of a chunk at or before the next index that is new. */
  private append(chunk: GenerateChunk): GenerateChunk | undefined {
    const part = this.newPart(chunk);
    if (part === undefined) return undefined;
    if (part.tokens.length === 0) this.lastEmptyIndex = part.index;
    this.text += part.text;
    this.nextIndex = endOf(part);
    this.textLengths.set(this.nextIndex, this.text.length);
    if (part.finishReason !== undefined) this.isFinished = true;
    return part;
  }

  private newPart(chunk: GenerateChunk): GenerateChunk | undefined {
    if (chunk.index === this.nextIndex) {
      const isRepeated = chunk.tokens.length === 0 && this.lastEmptyIndex === chunk.index;
      return isRepeated || this.isFinished ? undefined : chunk;
    }
    if (endOf(chunk) <= this.nextIndex) return undefined;
    // Cut differently than what was given out: by another host, after a failover.
    const textLength = this.textLengths.get(chunk.index);
    if (textLength === undefined) return undefined;
    const text = this.text.slice(0, textLength) + chunk.text;
    if (!text.startsWith(this.text)) return undefined;
    return {
      ...chunk,
      index: this.nextIndex,
      text: text.slice(this.text.length),
      tokens: chunk.tokens.slice(this.nextIndex - chunk.index),
    };
  }
}

function endOf(chunk: GenerateChunk): number {
  return chunk.index + chunk.tokens.length;
}

function firstDifference(a: string, b: string): number {
  let index = 0;
  while (index < a.length && a[index] === b[index]) index += 1;
  return index;
}

/**
 * Puts the chunks of one generation into the order of their tokens. Pure; one writer, its reader.
 *
 * Chunks come twice, late, from two hosts after a failover, or not at all. Invariants:
 * R1 each token is given out at most once, in the order of the index;
 * R2 what was given out is a prefix of the text, unless `complete` says that it diverged.
 */
import type { GenerateChunk, GenerateOutput } from './functions/function-types';
import { areLogprobs, areTokens, isFinishReason } from './generate-chunk';
import { GivenText } from './given-text';
import { chunkBytes } from './merge-chunks';
import { isRecord } from './result';

/** What a committed generation says of its tokens. */
export type GeneratedText = Pick<GenerateOutput, 'text' | 'tokens' | 'finishReason' | 'logprobs'>;

/** Undefined where an output is not that of a generation. */
export function parseGeneratedText(output: unknown): GeneratedText | undefined {
  if (!isRecord(output)) return undefined;
  const { text, tokens, finishReason, logprobs } = output;
  if (typeof text !== 'string' || !areTokens(tokens)) return undefined;
  if (!isFinishReason(finishReason)) return undefined;
  const generated = { text, tokens, finishReason };
  return areLogprobs(logprobs) ? { ...generated, logprobs } : generated;
}

export type Completion =
  /** What was missing, as one chunk; undefined where nothing was. */
  | { readonly kind: 'completed'; readonly rest: GenerateChunk | undefined }
  /** The text given out differs from the committed one from this character on; see `GivenText`. */
  | { readonly kind: 'diverged'; readonly atCharacter: number };

/** Of chunks kept for their turn; beyond it, they must be read again. */
export interface EarlyLimits {
  readonly maxChunks: number;
  /** By `chunkBytes`; a lone one may be larger, so that a gap shows. */
  readonly maxBytes: number;
}

export class ChunkAssembly {
  private readonly given = new GivenText();
  private nextIndex = 0;
  private isFinished = false;
  /** Index of the last chunk without tokens that was taken, which comes at most once. */
  private lastEmptyIndex = -1;
  private readonly early = new Map<number, GenerateChunk>();
  private earlyBytes = 0;

  constructor(private readonly limits: EarlyLimits) {}

  /** Whether chunks wait for an earlier one that has not come. */
  get hasGap(): boolean {
    return this.early.size > 0;
  }

  /** Takes a chunk and answers what can be given out now, in order. */
  accept(chunk: GenerateChunk): readonly GenerateChunk[] {
    if (chunk.index > this.nextIndex) {
      this.keepEarly(chunk);
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
  complete(output: GeneratedText): Completion {
    const atCharacter = this.given.differenceFrom(output.text);
    if (atCharacter !== undefined) return { kind: 'diverged', atCharacter };
    const rest: GenerateChunk = {
      index: this.nextIndex,
      text: output.text.slice(this.given.length),
      tokens: output.tokens.slice(this.nextIndex),
      finishReason: output.finishReason,
      ...logprobsFrom(output, this.nextIndex),
    };
    const isMissing = rest.text !== '' || rest.tokens.length > 0 || !this.isFinished;
    return { kind: 'completed', rest: isMissing ? rest : undefined };
  }

  private keepEarly(chunk: GenerateChunk): void {
    this.dropEarly(chunk.index);
    const bytes = this.earlyBytes + chunkBytes(chunk);
    if (this.early.size >= this.limits.maxChunks) return;
    if (this.early.size > 0 && bytes > this.limits.maxBytes) return;
    this.early.set(chunk.index, chunk);
    this.earlyBytes = bytes;
  }

  private takeEarly(): GenerateChunk | undefined {
    for (const [index, chunk] of this.early) {
      if (index > this.nextIndex) continue;
      this.dropEarly(index);
      return chunk;
    }
    return undefined;
  }

  private dropEarly(index: number): void {
    const chunk = this.early.get(index);
    if (chunk === undefined) return;
    this.early.delete(index);
    this.earlyBytes -= chunkBytes(chunk);
  }

  /** @returns the part of a chunk at or before the next index that is new. */
  private append(chunk: GenerateChunk): GenerateChunk | undefined {
    const part = this.newPart(chunk);
    if (part === undefined) return undefined;
    if (part.tokens.length === 0) this.lastEmptyIndex = part.index;
    this.given.append(part);
    this.nextIndex = endOf(part);
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
    const given = this.given.since(chunk.index);
    if (given === undefined || !chunk.text.startsWith(given)) return undefined;
    const known = this.nextIndex - chunk.index;
    return {
      ...chunk,
      index: this.nextIndex,
      text: chunk.text.slice(given.length),
      tokens: chunk.tokens.slice(known),
      ...logprobsFrom(chunk, known),
    };
  }
}

function endOf(chunk: GenerateChunk): number {
  return chunk.index + chunk.tokens.length;
}

function logprobsFrom(
  of: Pick<GenerateChunk, 'logprobs'>,
  index: number,
): Pick<GenerateChunk, 'logprobs'> {
  return of.logprobs === undefined ? {} : { logprobs: of.logprobs.slice(index) };
}

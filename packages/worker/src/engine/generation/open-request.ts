/** A request of the generate engine that is not answered yet, and its sequences. */
import type { GenerateChunk, GenerateUsage } from '@llmos/base';
import { ANY_ROOM, assertFits, leastItemBytes } from '../requests/answer-room';
import { CANCELLED_ANSWER, failedAnswer } from '../engine';
import type { EngineAnswer, EngineRequest, GenerationCalls } from '../engine';
import { joinSamples } from './generation';
import type { Sequence } from './sequence';

/** What the main thread asked of it since the last step. */
export type Demand = 'go-on' | 'cancel' | 'preempt';

export class OpenRequest {
  demand: Demand = 'go-on';
  isAnswered = false;
  private tokenCount = 0;
  private hasBegun = false;
  private logprobCount = 0;

  constructor(
    readonly request: EngineRequest,
    readonly sequences: readonly Sequence[],
    private readonly calls: GenerationCalls,
  ) {}

  get isShared(): boolean {
    return this.sequences.length > 1;
  }

  get isFinished(): boolean {
    return this.sequences.every(({ generation }) => generation.finishReason !== undefined);
  }

  /** What a sequence of it adds. Throws RESOURCE_EXHAUSTED once its answer can't fit any more. */
  send(chunk: GenerateChunk, from: Sequence): void {
    this.count(chunk);
    from.pace.add(chunk.tokens.length, this.calls.nowMs());
    this.tellBegun();
    const isEmpty = chunk.tokens.length === 0 && chunk.finishReason === undefined;
    if (this.request.stream && !isEmpty) this.calls.chunk(this.request.requestId, chunk);
  }

  /** Whether other samples wait for the prompt that this sequence reads. */
  isLeader(sequence: Sequence): boolean {
    return this.isShared && sequence === this.sequences[0];
  }

  heldBack(): readonly Sequence[] {
    return this.sequences.filter((sample) => sample.isHeldBack);
  }

  finish(): void {
    const samples = this.sequences.map((each) => each.generation.output());
    const value = { ...joinSamples(samples), usage: this.usage() };
    const made = samples.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const tokens = {
      promptTokens: value.promptTokens,
      generatedTokens: Math.max(0, made - this.request.resumeTokens.length),
      tokenMs: this.sequences.flatMap(({ pace }) => pace.tokenMs ?? []),
    };
    this.answer({ kind: 'done', output: { kind: 'value', value }, tokens });
  }

  fail(thrown: unknown): void {
    this.answer(failedAnswer(thrown));
  }

  cancel(): void {
    this.answer(CANCELLED_ANSWER);
  }

  /** Samples have no stream to go on from: a request of several begins anew. */
  giveBack(): void {
    const [only] = this.sequences;
    const generation = this.isShared ? undefined : only?.generation;
    if (this.isAnswered) return;
    this.isAnswered = true;
    const { requestId } = this.request;
    this.calls.preempted(requestId, generation?.tokens ?? [], generation?.textSoFar ?? '');
  }

  /** A stream says so itself; what an earlier attempt began is not begun again. */
  private tellBegun(): void {
    if (this.hasBegun || this.tokenCount === 0) return;
    this.hasBegun = true;
    const { stream, resumeTokens, requestId } = this.request;
    if (!stream && resumeTokens.length === 0) this.calls.began(requestId);
  }

  private usage(): GenerateUsage {
    const [first] = this.sequences;
    return {
      inputTokens: first?.generation.promptCount ?? 0,
      cachedTokens: first?.cachedTokens ?? 0,
      outputTokens: this.sequences.reduce((sum, { generation }) => sum + generation.tokenCount, 0),
    };
  }

  /** Log-probabilities of many samples are far more than their tokens, and all are kept. */
  private count({ tokens, logprobs = [] }: GenerateChunk): void {
    const { room = ANY_ROOM } = this.request;
    this.tokenCount += tokens.length;
    for (const { top } of logprobs) this.logprobCount += 1 + top.length;
    const what = `${this.tokenCount} tokens with ${this.logprobCount} log-probabilities`;
    const leastBytes = this.tokenCount + this.logprobCount * leastItemBytes(room.format);
    assertFits([{ what, leastBytes }], room, 'ask for fewer samples, tokens or log-probabilities');
  }

  private answer(answer: EngineAnswer): void {
    if (this.isAnswered) return;
    this.isAnswered = true;
    this.calls.answer(this.request.requestId, answer);
  }
}

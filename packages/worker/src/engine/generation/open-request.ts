/** A request of the generate engine that is not answered yet, and its sequences. */
import type { GenerateChunk } from '@llmos/base';
import { ANY_ROOM, assertFits, leastItemBytes } from '../answer-room';
import { CANCELLED_ANSWER, failedAnswer, valueAnswer } from '../engine';
import type { EngineAnswer, EngineRequest, GenerationCalls } from '../engine';
import { joinSamples } from './generation';
import type { Sequence } from './sequence';

/** What the main thread asked of it since the last step. */
export type Demand = 'go-on' | 'cancel' | 'preempt';

export class OpenRequest {
  demand: Demand = 'go-on';
  isAnswered = false;
  private tokenCount = 0;
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

  /** Throws RESOURCE_EXHAUSTED once its answer can't fit any more. */
  send(chunk: GenerateChunk): void {
    this.count(chunk);
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
    this.answer(valueAnswer(joinSamples(this.sequences.map((each) => each.generation.output()))));
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

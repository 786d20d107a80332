/** Runs what a step's plan says and commits the tokens that come of it. */
import { LlmosError, compareUrgency } from '@llmos/base';
import type { ChargedRow, CostMeter } from '../cost-meter';
import type { ContextMeter } from './context-meter';
import type { DecoderRows, KvRow } from '../rows/decoder-rows';
import type { KvReuse } from './kv-reuse';
import { ENGINE_LIMITS } from '../limits';
import type { OpenRequest } from './open-request';
import type { Sequence } from './sequence';
import type { StepPlan } from './step-plan';

export interface StepRunnerParts {
  readonly rows: DecoderRows;
  readonly reuse: KvReuse;
  readonly meter: ContextMeter;
  readonly costs: CostMeter;
  /** Tokens that a row may come to. */
  readonly maxTokens: number;
  /** Tokens of one run over a prompt. */
  readonly gridTokens: number;
  /** Undefined once it was answered. */
  readonly requestOf: (sequence: Sequence) => OpenRequest | undefined;
}

/** A sequence whose tokens found no room. */
export interface Exhausted {
  readonly sequence: Sequence;
  readonly thrown: unknown;
}

export class StepRunner {
  constructor(private readonly parts: StepRunnerParts) {}

  /** Failures are answered; what found no room is answered to the caller, and the step ends. */
  async run(plan: StepPlan<Sequence>): Promise<Exhausted | undefined> {
    const [only] = plan.decode;
    const isAlone = plan.decode.length === 1 && plan.feeds.length === 0;
    const { rowsPerRun } = this.parts.rows;
    for (let at = 0; at < plan.decode.length; at += rowsPerRun) {
      const group = plan.decode.slice(at, at + rowsPerRun);
      const run = isAlone && only !== undefined ? () => this.draft(only) : () => this.decode(group);
      const exhausted = await this.attempt(group, run);
      if (exhausted !== undefined) return exhausted;
    }
    for (const { item, tokenCount } of plan.feeds) {
      const exhausted = await this.attempt([item], () => this.feed(item, tokenCount));
      if (exhausted !== undefined) return exhausted;
    }
    return undefined;
  }

  private async attempt(
    sequences: readonly Sequence[],
    run: () => Promise<void>,
  ): Promise<Exhausted | undefined> {
    try {
      await run();
      return undefined;
    } catch (thrown) {
      if (thrown instanceof LlmosError && thrown.code === 'RESOURCE_EXHAUSTED') {
        const [least] = [...sequences].sort((a, b) => compareUrgency(b.urgency, a.urgency));
        if (least !== undefined) return { sequence: least, thrown };
      }
      for (const sequence of sequences) this.parts.requestOf(sequence)?.fail(thrown);
      return undefined;
    }
  }

  private async decode(sequences: readonly Sequence[]): Promise<void> {
    const { costs, meter, rows } = this.parts;
    const ids = sequences.map(({ generation }) => generation.lastToken);
    // The last token of a prompt that was known is read here.
    const charged = sequences.map((each) => rowFor(each, each.generation.tokenCount === 0 ? 1 : 0));
    const logits = await costs.run(charged, () => rows.decode(sequences.map(rowOf), ids));
    const width = logits.length / sequences.length;
    meter.decodedTokens += sequences.length;
    // A prompt of which all but the last token was known is read by this run.
    const read = sequences.filter(({ generation }) => generation.tokenCount === 0);
    sequences.forEach((sequence, at) =>
      this.commit(sequence, logits.subarray(at * width, (at + 1) * width)),
    );
    for (const sequence of read) await this.keepPrompt(sequence);
  }

  private async feed(sequence: Sequence, tokenCount: number): Promise<void> {
    const { costs, gridTokens, meter, rows } = this.parts;
    let isRead = false;
    for (let left = tokenCount; left > 0; left -= gridTokens) {
      const ids = sequence.next(Math.min(left, gridTokens));
      const charged = [rowFor(sequence, ids.length)];
      const logits = await costs.run(charged, () => rows.feed(rowOf(sequence), ids, 1));
      meter.prefilledTokens += ids.length;
      isRead = sequence.pendingTokens === 0;
      if (isRead) this.commit(sequence, logits);
    }
    const isPromptRead = sequence.heldTokens === sequence.generation.promptCount;
    if (isRead || isPromptRead) await this.keepPrompt(sequence);
  }

  private async keepPrompt(sequence: Sequence): Promise<void> {
    const opened = this.parts.requestOf(sequence);
    if (opened !== undefined)
      await this.parts.reuse.keepPrompt(sequence, opened.isLeader(sequence));
  }

  /** Samples of one prompt begin with the same logits: the first one to read it serves them all. */
  private commit(sequence: Sequence, logits: Float32Array): void {
    const opened = this.parts.requestOf(sequence);
    const others = opened?.isLeader(sequence) === true ? opened.heldBack() : [];
    const isFirst = sequence.generation.tokenCount === 0;
    for (const sample of others) {
      if (isFirst) this.advance(sample, logits.slice());
      sample.isHeldBack = false;
    }
    this.advance(sequence, logits);
  }

  /** One run over the last token and those expected after it; what is not confirmed is cut. */
  private async draft(sequence: Sequence): Promise<void> {
    const { costs, meter, rows, maxTokens } = this.parts;
    const room = maxTokens - sequence.history.length;
    const draft = sequence.drafting.draft(Math.min(room, ENGINE_LIMITS.maxDraftTokens));
    if (draft.length === 0) return this.decode([sequence]);
    const row = rowOf(sequence);
    const { generation } = sequence;
    const ids = [generation.lastToken, ...draft];
    const logits = await costs.run([rowFor(sequence, 0)], () => rows.feed(row, ids, ids.length));
    const width = logits.length / (draft.length + 1);
    let accepted = 0;
    while (
      this.advance(sequence, logits.subarray(accepted * width, (accepted + 1) * width)) &&
      generation.lastToken === draft[accepted]
    ) {
      accepted += 1;
    }
    rows.cut(row, sequence.history.length - 1);
    sequence.drafting.record(draft.length, accepted);
    meter.decodedTokens += accepted + 1;
    meter.draftedTokens += draft.length;
    meter.acceptedTokens += accepted;
  }

  /**
   * Commits the next token; answers whether the generation goes on. One that fails ends its own
   * request only.
   */
  private advance(sequence: Sequence, logits: Float32Array): boolean {
    const opened = this.parts.requestOf(sequence);
    const { generation } = sequence;
    if (opened === undefined || opened.isAnswered) return false;
    try {
      const { tokenCount } = generation;
      const chunk = generation.advance(logits);
      this.parts.costs.made(opened.request.requestId, generation.tokenCount - tokenCount);
      opened.send(chunk, sequence);
    } catch (thrown) {
      opened.fail(thrown);
      return false;
    }
    return generation.finishReason === undefined;
  }
}

function rowFor({ request }: Sequence, inputTokens: number): ChargedRow {
  return { requestId: request.requestId, inputTokens };
}

function rowOf(sequence: Sequence): KvRow {
  if (sequence.row !== undefined) return sequence.row;
  throw new LlmosError('INTERNAL', 'a sequence without a row was planned');
}

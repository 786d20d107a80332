/**
 * Engine *generate*: continuous batching. Sequences join, leave, are switched out and in between
 * any two steps; a step feeds one token to every sequence that decodes, and parts of prompts.
 *
 * Each step: hear (cancels, preemptions) → plan who has a row → reserve rows → plan what is fed →
 * run → commit tokens and answers. One writer: the loop; calls from outside only leave a mark.
 * A run that fails ends the requests of its sequences, the others go on.
 *
 * Invariants, checked by `checkSequences` in tests: E1 a sequence that is open has a row or waits;
 * E2 a row belongs to one open sequence; E3 no row holds more than its sequence's history.
 */
import { LlmosError } from '@llmos/base';
import type { ContextCounts } from '../../actors/thread-protocol';
import type { GenerationSettings } from '../../models/model-settings';
import type { ChatTemplate } from '../../ports/chat-template';
import type { TextTokenizer } from '../../ports/text-tokenizer';
import type { CostMeter } from '../cost-meter';
import { ContextMeter } from './context-meter';
import type { DecoderRows } from '../rows/decoder-rows';
import { NO_DRAFTS, lookupDrafts } from './drafting';
import type { ContinuousEngine, EngineRequest, GenerationCalls } from '../engine';
import { failedAnswer } from '../engine';
import { Generation, sampleCountOf } from './generation';
import { KvReuse } from './kv-reuse';
import { ENGINE_LIMITS } from '../limits';
import { OpenRequest } from './open-request';
import { PrefixCache } from './prefix-cache';
import { readPrompt } from './prompt';
import { SamplingWorkspace } from '../sampling/sampling';
import { SavedContexts } from './saved-contexts';
import type { Feeding } from './sequence';
import { Sequence } from './sequence';
import { StepRunner } from './step-runner';
import { planRows, planStep } from './step-plan';

export interface GenerateModel {
  readonly rows: DecoderRows;
  readonly tokenizer: TextTokenizer;
  readonly chatTemplate: ChatTemplate | undefined;
  readonly settings: GenerationSettings;
  readonly maxTokens: number;
  readonly maxRows: number;
  readonly maxSavedBytes: number;
  readonly maxPrefixBytes: number;
  readonly sharesPrefixes: boolean;
  readonly feeding: Feeding;
  /** Time inside the model's runs so far. */
  readonly runMs: () => number;
  readonly costs: CostMeter;
}

export class GenerateEngine implements ContinuousEngine {
  private readonly open = new Map<number, OpenRequest>();
  private readonly contexts: SavedContexts;
  private readonly prefixes: PrefixCache;
  private readonly reuse: KvReuse;
  private readonly meter: ContextMeter;
  private readonly runner: StepRunner;
  private readonly workspace = new SamplingWorkspace();
  private work: Promise<void> | undefined;
  /** Rows in use at most; less than the bound after memory ran out. */
  private rowLimit: number;

  constructor(private readonly model: GenerateModel) {
    const { rows, feeding, sharesPrefixes } = model;
    this.contexts = new SavedContexts(model.maxSavedBytes);
    this.prefixes = new PrefixCache({ maxBytes: model.maxPrefixBytes });
    const { contexts, prefixes } = this;
    this.reuse = new KvReuse({ rows, contexts, prefixes, feeding, sharesPrefixes });
    this.meter = new ContextMeter(model.runMs);
    this.runner = new StepRunner({
      ...{ rows, meter: this.meter, reuse: this.reuse, maxTokens: model.maxTokens },
      costs: model.costs,
      gridTokens: feeding === 'alike' ? ENGINE_LIMITS.alikePartTokens : Infinity,
      requestOf: (sequence) => this.open.get(sequence.request.requestId),
    });
    this.rowLimit = model.maxRows;
  }

  join(requests: readonly EngineRequest[], calls: GenerationCalls): void {
    for (const request of requests) {
      try {
        this.admit(request, calls);
      } catch (thrown) {
        calls.answer(request.requestId, failedAnswer(thrown));
      }
    }
    if (this.open.size > 0) this.work ??= this.loop(calls);
  }

  cancel(requestId: number): void {
    const request = this.open.get(requestId);
    if (request !== undefined) request.demand = 'cancel';
  }

  preempt(requestId: number): void {
    const request = this.open.get(requestId);
    if (request?.demand === 'go-on') request.demand = 'preempt';
  }

  async close(): Promise<void> {
    for (const requestId of this.open.keys()) this.cancel(requestId);
    await this.work;
    this.model.rows.closeAll();
  }

  get counts(): ContextCounts {
    const running = this.sequences().filter((each) => each.row !== undefined).length;
    return {
      ...this.meter.counts(),
      running,
      waiting: this.sequences().length - running,
      saved: this.contexts.count,
      maxRows: this.model.maxRows,
      rowBytes: this.model.rows.bytes,
      savedBytes: this.contexts.bytes,
      prefixBytes: this.prefixes.bytes,
      reusedTokens: this.reuse.reusedTokens,
    };
  }

  /** Violations of E1 … E3; none where all is well. */
  checkSequences(): readonly string[] {
    const rows = this.sequences().flatMap(({ row }) => (row === undefined ? [] : [row]));
    return [
      ...(new Set(rows).size === rows.length ? [] : ['E2: a row belongs to two sequences']),
      ...this.sequences()
        .filter((each) => each.heldTokens >= each.history.length)
        .map((each) => `E3: ${each.heldTokens} tokens held of ${each.history.length}`),
    ];
  }

  private admit(request: EngineRequest, calls: GenerationCalls): void {
    const { feeding, rows } = this.model;
    const prompt = readPrompt({ ...this.model, graph: rows }, request);
    const model = { ...this.model, workspace: this.workspace };
    const count = sampleCountOf(request);
    const sequences = Array.from({ length: count }, (_, index) => {
      const generation = new Generation(model, prompt, request, index);
      const drafts = rows.takesParts && feeding === 'freely';
      const drafting = drafts ? lookupDrafts(generation.history) : NO_DRAFTS;
      return new Sequence({ request, generation, rows, feeding, drafting });
    });
    if (rows.isSavable) for (const sample of sequences.slice(1)) sample.isHeldBack = true;
    const opened = new OpenRequest(request, sequences, calls);
    this.open.set(request.requestId, opened);
    // An earlier attempt may have streamed everything but its end.
    const [first] = sequences;
    if (first?.generation.finishReason === undefined) return;
    opened.send(first.generation.endChunk(), first);
    for (const sample of opened.heldBack()) sample.isHeldBack = false;
  }

  private sequences(): readonly Sequence[] {
    return [...this.open.values()].flatMap(({ sequences }) =>
      sequences.filter(({ generation }) => generation.finishReason === undefined),
    );
  }

  private async loop(calls: GenerationCalls): Promise<void> {
    let toldMs = -Infinity;
    while (this.open.size > 0) {
      const startedMs = calls.nowMs();
      try {
        await this.step();
      } catch (thrown) {
        this.failAll(thrown);
      }
      const nowMs = calls.nowMs();
      this.meter.addStep(nowMs - startedMs);
      if (this.open.size === 0 || nowMs - toldMs >= ENGINE_LIMITS.contextCountsMs) {
        calls.contexts(this.counts);
        toldMs = nowMs;
      }
      await calls.pause();
    }
    // In the same turn as the check: what joins from here on finds no loop, and starts one.
    this.work = undefined;
  }

  private async step(): Promise<void> {
    await this.hear();
    await this.assignRows();
    const running = this.sequences().filter((each) => each.row !== undefined);
    if (running.length > 0) {
      const { feeding, rows } = this.model;
      const { alikePartTokens, prefillTokens, sharedPrefillTokens } = ENGINE_LIMITS;
      const plan = planStep(running, {
        ...{ prefillTokens, sharedPrefillTokens },
        takesParts: rows.takesParts && feeding !== 'whole',
        gridTokens: feeding === 'alike' ? alikePartTokens : 1,
      });
      const exhausted = await this.runner.run(plan);
      // A row that has just become free is room, too.
      const isFreed = await this.settle();
      if (exhausted !== undefined && !isFreed) await this.makeRoom(exhausted);
      return;
    }
    await this.settle();
  }

  /** Cancels and preemptions take effect before anything runs. */
  private async hear(): Promise<void> {
    for (const opened of [...this.open.values()]) {
      if (opened.demand === 'go-on') continue;
      if (opened.demand === 'cancel') opened.cancel();
      else await this.giveBack(opened);
      this.release(opened);
    }
  }

  private async giveBack(opened: OpenRequest): Promise<void> {
    const [only] = opened.sequences;
    if (only !== undefined && !opened.isShared) {
      await this.reuse.switchOut(only);
      this.contexts.giveBack(only.key);
      this.meter.switches += 1;
    }
    opened.giveBack();
  }

  private async assignRows(): Promise<void> {
    const sequences = this.sequences();
    const running = sequences.filter((each) => each.row !== undefined);
    const waiting = sequences.filter((each) => each.row === undefined && !each.isHeldBack);
    const plan = planRows(running, waiting, this.rowLimit);
    for (const sequence of plan.leave) await this.switchOut(sequence);
    for (const sequence of plan.enter) {
      try {
        sequence.row = await this.reuse.open(sequence);
      } catch (thrown) {
        await this.makeRoom({ sequence, thrown });
        return;
      }
    }
  }

  private async switchOut(sequence: Sequence): Promise<void> {
    await this.reuse.switchOut(sequence);
    this.closeRow(sequence);
    this.meter.switches += 1;
  }

  /** Memory ran out: fewer rows until one is free again; one that is alone can't be helped. */
  private async makeRoom(failed: { sequence: Sequence; thrown: unknown }): Promise<void> {
    const { sequence, thrown } = failed;
    const running = this.sequences().filter((each) => each.row !== undefined);
    const others = running.filter((each) => each !== sequence);
    const isExhausted = thrown instanceof LlmosError && thrown.code === 'RESOURCE_EXHAUSTED';
    if (!isExhausted || others.length === 0) {
      this.fail(sequence, thrown);
      return;
    }
    if (sequence.row !== undefined) await this.switchOut(sequence);
    this.rowLimit = others.length;
  }

  /** Answers what is finished; tells whether a row became free. */
  private async settle(): Promise<boolean> {
    let isFreed = false;
    for (const opened of [...this.open.values()]) {
      if (opened.isFinished) opened.finish();
      for (const sequence of opened.sequences) {
        if (sequence.row === undefined) continue;
        const isFinished = sequence.generation.finishReason !== undefined;
        if (!isFinished && !opened.isAnswered) continue;
        isFreed = true;
        // Samples are alternatives: no one knows which of them goes on.
        if (isFinished && !opened.isShared) await this.reuse.keepAnswer(sequence);
        this.closeRow(sequence);
      }
      if (opened.isAnswered) this.release(opened);
    }
    return isFreed;
  }

  private fail(sequence: Sequence, thrown: unknown): void {
    const opened = this.open.get(sequence.request.requestId);
    opened?.fail(thrown);
    if (opened !== undefined) this.release(opened);
  }

  /** A mistake of the engine's own: nothing that it holds can be trusted. */
  private failAll(thrown: unknown): void {
    for (const opened of this.open.values()) {
      opened.fail(thrown);
      for (const sequence of opened.sequences) sequence.row = undefined;
      this.reuse.drop(opened.request, opened.sequences.length);
    }
    this.open.clear();
    this.model.rows.closeAll();
    this.rowLimit = this.model.maxRows;
  }

  /** The rows of a request that is answered; what was given back stays saved. */
  private release(opened: OpenRequest): void {
    this.open.delete(opened.request.requestId);
    for (const sequence of opened.sequences) this.closeRow(sequence);
    this.reuse.drop(opened.request, opened.sequences.length);
    this.rowLimit = this.model.maxRows;
  }

  private closeRow(sequence: Sequence): void {
    if (sequence.row === undefined) return;
    this.model.rows.close(sequence.row);
    sequence.row = undefined;
  }
}

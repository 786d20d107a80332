/**
 * Engine *generate*: a plain loop, one sequence at a time. A generation is a function of prompt,
 * settings, seed and token index alone, so one that resumes after tokens that an earlier attempt
 * streamed gives the tokens that it would have given.
 */
import type { FinishReason, GenerateChunk, GenerateInput, GenerateOutput } from '@llmos/base';
import { LlmosError, hashText } from '@llmos/base';
import type { GenerationSettings } from '../models/model-settings';
import type { ChatTemplate } from '../ports/chat-template';
import type { TextTokenizer } from '../ports/text-tokenizer';
import type { DecoderGraph, DecoderSequence } from './decoder-graph';
import { Detokenizer } from './detokenizer';
import type { Engine, EngineCalls, EngineRequest } from './engine';
import { failedAnswer, valueAnswer } from './engine';
import { ENGINE_LIMITS } from './limits';
import type { Prompt } from './prompt';
import { readPrompt } from './prompt';
import type { SamplingSettings } from './sampling';
import { chooseToken, penalizeRepetition, uniformOf } from './sampling';
import { StopStrings } from './stop-strings';

export interface GenerateModel {
  readonly graph: DecoderGraph;
  readonly tokenizer: TextTokenizer;
  readonly chatTemplate: ChatTemplate | undefined;
  readonly settings: GenerationSettings;
  readonly maxTokens: number;
}

/** Prompt tokens that the first token's text depends on. */
const CONTEXT_TOKENS = 8;

export class GenerateEngine implements Engine {
  constructor(private readonly model: GenerateModel) {}

  async run(requests: readonly EngineRequest[], calls: EngineCalls): Promise<void> {
    for (const request of requests) {
      try {
        const output = await this.generate(request, calls);
        calls.answer(request.requestId, valueAnswer(output));
      } catch (thrown) {
        calls.answer(request.requestId, failedAnswer(thrown));
      }
    }
  }

  private async generate(request: EngineRequest, calls: EngineCalls): Promise<GenerateOutput> {
    assertGoesOn(request, calls);
    const { graph } = this.model;
    const prompt = readPrompt(this.model, request);
    const generation = new Generation(this.model, prompt, request);
    const send = (chunk: GenerateChunk): void => {
      if (request.stream) calls.chunk(request.requestId, chunk);
    };
    // An earlier attempt may have streamed everything but its end.
    if (generation.finishReason !== undefined) {
      send(generation.endChunk());
      return generation.output();
    }
    const sequence = graph.open(prompt.ids.length + prompt.budgetTokens);
    try {
      let logits = await this.prefill(sequence, generation.history, request, calls);
      for (;;) {
        const chunk = generation.advance(logits);
        send(chunk);
        if (generation.finishReason !== undefined) return generation.output();
        assertGoesOn(request, calls);
        logits = await sequence.feed(chunk.tokens);
      }
    } finally {
      sequence.close();
    }
  }

  private async prefill(
    sequence: DecoderSequence,
    ids: readonly number[],
    request: EngineRequest,
    calls: EngineCalls,
  ): Promise<Float32Array> {
    const part = this.model.graph.takesParts ? ENGINE_LIMITS.prefillChunkTokens : ids.length;
    let logits: Float32Array = new Float32Array();
    for (let at = 0; at < ids.length; at += part) {
      assertGoesOn(request, calls);
      logits = await sequence.feed(ids.slice(at, at + part));
    }
    return logits;
  }
}

function assertGoesOn(request: EngineRequest, calls: EngineCalls): void {
  if (calls.isCancelled(request.requestId)) {
    throw new LlmosError('CANCELLED', 'the task was cancelled');
  }
}

/** The state of one generation between two steps. Pure, but for the tokenizer. */
class Generation {
  finishReason: FinishReason | undefined;
  private readonly tokens: number[] = [];
  private readonly occurred: Set<number>;
  private readonly sampling: SamplingSettings;
  private readonly seed: number;
  private readonly detokenizer: Detokenizer;
  private readonly stops: StopStrings;
  private text = '';

  constructor(
    private readonly model: GenerateModel,
    private readonly prompt: Prompt,
    request: EngineRequest,
  ) {
    const input = request.input as GenerateInput;
    this.sampling = samplingOf(input, model.settings);
    this.seed = input.seed ?? hashText(request.seedText);
    this.occurred = new Set(prompt.ids);
    const context = prompt.ids.slice(-CONTEXT_TOKENS);
    this.detokenizer = new Detokenizer((ids) => model.tokenizer.decode(ids), context);
    this.stops = new StopStrings(stopsOf(input));
    for (const token of request.resumeTokens) {
      if (this.finishReason === undefined) this.append(token);
    }
  }

  /** Every token that the next one depends on. */
  get history(): readonly number[] {
    return [...this.prompt.ids, ...this.tokens];
  }

  /** Chooses the next token; answers what it adds. */
  advance(logits: Float32Array): GenerateChunk {
    penalizeRepetition(logits, this.occurred, this.sampling.repetitionPenalty);
    const index = this.tokens.length;
    const token = chooseToken(logits, this.sampling, uniformOf(this.seed, index));
    if (this.model.settings.endIds.has(token)) {
      this.finishReason = 'stop';
      return this.chunk(index, [], this.take(this.stops.flushAfter(this.detokenizer.flush())));
    }
    return this.chunk(index, [token], this.append(token));
  }

  /** Tells the end where no token is left to tell it with. */
  endChunk(): GenerateChunk {
    return this.chunk(this.tokens.length, [], '');
  }

  output(): GenerateOutput {
    return {
      text: this.text,
      tokens: this.tokens,
      promptTokens: this.prompt.ids.length,
      finishReason: this.finishReason ?? 'length',
    };
  }

  /** Answers the text that the token adds, and decides whether it is the last one. */
  private append(token: number): string {
    this.tokens.push(token);
    this.occurred.add(token);
    const isFull = this.tokens.length >= this.prompt.budgetTokens;
    const shown = this.detokenizer.push(token);
    const outcome = this.stops.push(isFull ? shown + this.detokenizer.flush() : shown);
    if (outcome.isStopped) this.finishReason = 'stop';
    else if (isFull) this.finishReason = 'length';
    const rest = this.finishReason === 'length' ? this.stops.flush() : '';
    return this.take(outcome.text + rest);
  }

  private take(text: string): string {
    this.text += text;
    return text;
  }

  private chunk(index: number, tokens: readonly number[], text: string): GenerateChunk {
    return {
      index,
      text,
      tokens,
      ...(this.finishReason === undefined ? {} : { finishReason: this.finishReason }),
    };
  }
}

function samplingOf(input: GenerateInput, own: GenerationSettings): SamplingSettings {
  return {
    temperature: input.temperature ?? own.temperature,
    topK: input.topK ?? own.topK,
    topP: input.topP ?? own.topP,
    repetitionPenalty: input.repetitionPenalty ?? own.repetitionPenalty,
  };
}

function stopsOf(input: GenerateInput): readonly string[] {
  if (input.stop === undefined) return [];
  return typeof input.stop === 'string' ? [input.stop] : input.stop;
}

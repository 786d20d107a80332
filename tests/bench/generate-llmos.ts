/** Generation through llmos: streams of the SDK, and what its metrics say of the steps. */
import type { LlmosClient } from '@llmos/sdk';
import { parseMetrics, sumOf } from '../support/prometheus-text';
import { waitFor } from '../support/wait-for';
import type { GenerateAnswer, GenerationTimes } from './generate-child';
import { peakBytesOf } from './generate-child';

export interface LlmosGenerateRequest {
  readonly prompts: readonly string[];
  readonly maxTokens: number;
  readonly maxMs: number;
}

/** Counted from the start of the process that runs the model. */
export interface StepCounts {
  readonly steps: number;
  readonly runSeconds: number;
  readonly otherSeconds: number;
  /** Tokens of generations that have ended. */
  readonly generated: number;
  readonly prefilled: number;
  readonly accepted: number;
}

export interface Together {
  /** Steps from the urgent prompt's arrival to its first token, its own prefill left out. */
  readonly steps: number;
  readonly firstMs: number;
}

/** Counts come to the metrics every few seconds. */
const COUNTS_MS = 60_000;

export class LlmosGenerate {
  private endedTokens = 0;

  constructor(
    private readonly os: LlmosClient,
    private readonly workerUrl: string,
    readonly model: string,
  ) {}

  async run(request: LlmosGenerateRequest): Promise<GenerateAnswer> {
    const startMs = performance.now();
    const generations = await Promise.all(
      request.prompts.map((prompt) => this.generate(prompt, request)),
    );
    return { generations, durationMs: performance.now() - startMs };
  }

  /** What the process has counted since it began, all that has ended here included. */
  async counts(): Promise<StepCounts> {
    return waitFor(
      async () => {
        const counts = await this.readCounts();
        return counts.generated >= this.endedTokens && counts;
      },
      { what: 'the counts of the steps', everyMs: 100, limitMs: COUNTS_MS },
    );
  }

  async peakBytes(): Promise<number> {
    const row = (await this.os.ps()).find(
      ({ model, state }) => model.startsWith(`${this.model}@`) && state === 'ready',
    );
    return row?.osPid === undefined ? Number.NaN : peakBytesOf(row.osPid);
  }

  /** One request for several samples; answers the tokens of the prompt. */
  async sample(prompt: string, n: number): Promise<number> {
    const input = { model: this.model, prompt, n, maxTokens: 4, minTokens: 4, temperature: 1 };
    const { promptTokens, samples = [] } = await this.os.generate(input);
    this.endedTokens += samples.reduce((sum, { tokens }) => sum + tokens.length, 0);
    return promptTokens;
  }

  /** Lets an urgent prompt arrive among bulk generations, all of which have begun. */
  async urgentAmong(
    request: LlmosGenerateRequest & { readonly urgent: string },
  ): Promise<Together> {
    const counts = request.prompts.map(() => 0);
    let hasEnded = false;
    const bulk = request.prompts.map(async (prompt, index) => {
      const stream = this.os.generate.stream(this.input(prompt, request.maxTokens), {
        class: 'batch',
      });
      for await (const chunk of stream) {
        counts[index] = chunk.index + chunk.tokens.length;
        if (hasEnded) await stream.return();
      }
    });
    await waitFor(() => counts.every((count) => count > 0), {
      what: 'first tokens of all bulk generations',
      limitMs: request.maxMs,
      everyMs: 5,
    });
    const before = [...counts];
    const startMs = performance.now();
    const stream = this.os.generate.stream(this.input(request.urgent, 4));
    await stream.next();
    const firstMs = performance.now() - startMs;
    // A step gives each bulk generation one token; its own prefill is one of the steps.
    const passed = counts.map((count, index) => count - (before[index] ?? 0));
    hasEnded = true;
    await stream.return();
    await Promise.allSettled(bulk);
    return { steps: Math.max(0, Math.max(...passed) - 1), firstMs };
  }

  private input(prompt: string, maxTokens: number) {
    const { model } = this;
    return { model, prompt, maxTokens, minTokens: maxTokens, temperature: 0 };
  }

  private async generate(prompt: string, of: LlmosGenerateRequest): Promise<GenerationTimes> {
    const startMs = performance.now();
    const tokens: number[] = [];
    const arrivalsMs: number[] = [];
    const stream = this.os.generate.stream(this.input(prompt, of.maxTokens));
    for await (const chunk of stream) {
      const atMs = performance.now() - startMs;
      tokens.push(...chunk.tokens);
      arrivalsMs.push(...chunk.tokens.map(() => atMs));
      if (chunk.finishReason !== undefined) this.endedTokens += tokens.length;
      else if (atMs > of.maxMs) await stream.return();
    }
    return { tokens, arrivalsMs };
  }

  private async readCounts(): Promise<StepCounts> {
    const response = await fetch(`${this.workerUrl}/metrics`);
    const metrics = parseMetrics(await response.text());
    const { pid = '' } =
      (await this.os.ps()).find(
        ({ model, state }) => model.startsWith(`${this.model}@`) && state === 'ready',
      ) ?? {};
    const read = (name: string, labels: object = {}): number =>
      sumOf(metrics, `llmos_process_generation_${name}_total`, { pid, ...labels });
    return {
      steps: read('steps'),
      runSeconds: read('seconds', { part: 'run' }),
      otherSeconds: read('seconds', { part: 'other' }),
      generated: sumOf(metrics, 'llmos_process_tokens_total', { pid, kind: 'generated' }),
      prefilled: read('tokens', { kind: 'prefilled' }),
      accepted: read('tokens', { kind: 'accepted' }),
    };
  }
}

/** Counts what a process host does, for the metrics of its agent. */
import type { AttemptSpec, Clock } from '@llmos/base';
import type { HandlerAnswer } from '@llmos/process';
import type { HistogramCounts, HostCounts } from '../actors/host-protocol';
import { HOST_BOUNDS } from '../actors/host-protocol';
import type { ContextCounts, ThreadAnswer } from '../actors/thread-protocol';

/** What the host itself counts; the rest comes from its process. */
export type MeterCounts = Omit<
  HostCounts,
  'running' | 'committed' | 'failed' | 'stopped' | 'preempted' | 'skipped' | 'unsent'
>;

class Histogram {
  private readonly counts: number[];
  private sum = 0;

  constructor(private readonly bounds: readonly number[]) {
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const found = this.bounds.findIndex((bound) => value <= bound);
    const index = found < 0 ? this.bounds.length : found;
    this.counts[index] = (this.counts[index] ?? 0) + 1;
    this.sum += value;
  }

  read(): HistogramCounts {
    return { counts: [...this.counts], sum: this.sum };
  }
}

interface Generations {
  readonly firstTokenSeconds: Histogram;
  readonly tokenSeconds: Histogram;
}

export class HostMeter {
  private readonly attemptSeconds = new Histogram(HOST_BOUNDS.seconds);
  private readonly stepSeconds = new Histogram(HOST_BOUNDS.seconds);
  private readonly stepRequests = new Histogram(HOST_BOUNDS.requests);
  private readonly errors = new Map<string, number>();
  private contexts: ContextCounts | undefined;
  private readonly totals = { chunks: 0, promptTokens: 0, generatedTokens: 0 };

  /** Of a model that generates. */
  private readonly generation: Generations | undefined;

  constructor(
    private readonly clock: Clock,
    of: { readonly generates: boolean } = { generates: false },
  ) {
    if (!of.generates) return;
    this.generation = {
      firstTokenSeconds: new Histogram(HOST_BOUNDS.firstTokenSeconds),
      tokenSeconds: new Histogram(HOST_BOUNDS.tokenSeconds),
    };
  }

  /** Of an attempt; it took so long since it could run. */
  addAnswer(answer: HandlerAnswer, tookMs: number): void {
    this.attemptSeconds.observe(tookMs / 1_000);
    if (answer.kind === 'preempted' || answer.error === undefined) return;
    const { code } = answer.error;
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  addStep(of: { readonly requestCount: number; readonly durationMs: number }): void {
    this.stepRequests.observe(of.requestCount);
    this.stepSeconds.observe(of.durationMs / 1_000);
  }

  addChunk(): void {
    this.totals.chunks += 1;
  }

  addTokens(of: NonNullable<ThreadAnswer['tokens']>): void {
    this.totals.promptTokens += of.promptTokens;
    this.totals.generatedTokens += of.generatedTokens;
    for (const ms of of.tokenMs) this.generation?.tokenSeconds.observe(ms / 1_000);
  }

  /** Of a task, however often it was tried before; nothing where its kernel does not say when it came. */
  addFirstToken({ storedAtMs }: Pick<AttemptSpec, 'storedAtMs'>): void {
    if (storedAtMs === undefined) return;
    const seconds = Math.max(0, this.clock.nowMs() - storedAtMs) / 1_000;
    this.generation?.firstTokenSeconds.observe(seconds);
  }

  /** What its thread holds now, and did so far. */
  setContexts(counts: ContextCounts): void {
    this.contexts = counts;
  }

  /** @param waiting attempts that wait for the thread: sequences without a row, if it generates. */
  counts(waiting = 0): MeterCounts {
    const { contexts } = this;
    return {
      ...this.totals,
      ...(contexts && { contexts: { ...contexts, waiting: contexts.waiting + waiting } }),
      errors: Object.fromEntries(this.errors),
      attemptSeconds: this.attemptSeconds.read(),
      stepSeconds: this.stepSeconds.read(),
      stepRequests: this.stepRequests.read(),
      ...(this.generation === undefined
        ? {}
        : {
            firstTokenSeconds: this.generation.firstTokenSeconds.read(),
            tokenSeconds: this.generation.tokenSeconds.read(),
          }),
    };
  }
}

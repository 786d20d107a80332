/** Load from one client: so many callers, each with one call at a time, for a while. */
import { toErrorBody } from '@llmos/base';

export interface LoadOptions {
  readonly concurrency: number;
  readonly durationMs: number;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
  /** One call; its rejection is counted, not thrown. */
  readonly call: () => Promise<unknown>;
  readonly onProgress: (share: number) => void;
}

export interface LoadOutcome {
  /** Of the calls that succeeded, in milliseconds, ascending. */
  readonly latenciesMs: readonly number[];
  /** Error code → how many calls ended with it. */
  readonly errors: Readonly<Record<string, number>>;
  readonly elapsedMs: number;
}

/** Calls under way when the time is over are waited for and counted. */
export async function runLoad(options: LoadOptions): Promise<LoadOutcome> {
  const { nowMs, durationMs, signal } = options;
  const latenciesMs: number[] = [];
  const errors: Record<string, number> = {};
  const startMs = nowMs();
  const caller = async (): Promise<void> => {
    while (!signal.aborted && nowMs() - startMs < durationMs) {
      const sentMs = nowMs();
      try {
        await options.call();
        latenciesMs.push(nowMs() - sentMs);
      } catch (error) {
        const { code } = toErrorBody(error);
        errors[code] = (errors[code] ?? 0) + 1;
      }
      options.onProgress(Math.min(1, (nowMs() - startMs) / durationMs));
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, caller));
  latenciesMs.sort((a, b) => a - b);
  return { latenciesMs, errors, elapsedMs: nowMs() - startMs };
}

/** The nearest rank; NaN where there is no value. @param share 0 to 1. */
export function percentile(ascending: readonly number[], share: number): number {
  const rank = Math.max(1, Math.ceil(share * ascending.length));
  return ascending[rank - 1] ?? Number.NaN;
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

export function figuresOf(outcome: LoadOutcome): Figure[] {
  const { latenciesMs, elapsedMs } = outcome;
  const failed = Object.values(outcome.errors).reduce((sum, count) => sum + count, 0);
  const latency = (name: string, value: number): Figure[] =>
    Number.isNaN(value) ? [] : [{ name: `latency ${name}`, value: round(value), unit: 'ms' }];
  return [
    { name: 'calls', value: latenciesMs.length, unit: 'calls' },
    { name: 'failed calls', value: failed, unit: 'calls' },
    { name: 'throughput', value: round((latenciesMs.length / elapsedMs) * 1000), unit: 'calls/s' },
    ...latency('p50', percentile(latenciesMs, 0.5)),
    ...latency('p90', percentile(latenciesMs, 0.9)),
    ...latency('p99', percentile(latenciesMs, 0.99)),
    ...latency('max', latenciesMs.at(-1) ?? Number.NaN),
  ];
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

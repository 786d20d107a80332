/** Callers that each wait for their answer before they ask again, for a time or a number of times. */
import { quantile } from './growth';

export interface LoopResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export async function closedLoop(of: {
  readonly callers: number;
  readonly durationMs: number;
  readonly once: (request: number) => Promise<unknown>;
}): Promise<LoopResult> {
  const latencies: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + of.durationMs;
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let beginMs = performance.now(); beginMs < endMs; beginMs = performance.now()) {
      await of.once((next += 1));
      latencies.push(performance.now() - beginMs);
    }
  };
  await Promise.all(Array.from({ length: of.callers }, caller));
  const seconds = (performance.now() - startMs) / 1000;
  return {
    perSecond: latencies.length / seconds,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}

/** So many requests in all, by so many callers at once. */
export async function repeat(of: {
  readonly callers: number;
  readonly requests: number;
  readonly once: (request: number) => Promise<unknown>;
}): Promise<void> {
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < of.requests) await of.once((next += 1));
  };
  await Promise.all(Array.from({ length: of.callers }, caller));
}

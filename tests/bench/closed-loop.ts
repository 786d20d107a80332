/** Callers that each wait for their answer before they ask again, for a time. */
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

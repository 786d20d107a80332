/** What an attempt has cost so far: told by the process that runs it, charged by the leader. */
export interface AttemptCost {
  /** Of its device: its share of each run of the model that it was part of. */
  readonly deviceMs: number;
  /** Core-milliseconds: a run of 1 ms that has four cores to itself costs 4. */
  readonly cpuMs: number;
  /** What the model read for it; what an attempt reads again counts again. */
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export const NO_COST: AttemptCost = { deviceMs: 0, cpuMs: 0, inputTokens: 0, outputTokens: 0 };

export function addCosts(a: AttemptCost, b: AttemptCost): AttemptCost {
  return {
    deviceMs: a.deviceMs + b.deviceMs,
    cpuMs: a.cpuMs + b.cpuMs,
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
  };
}

/** For people: whole tokens, and milliseconds to the microsecond. */
export function roundedCost(cost: AttemptCost): AttemptCost {
  const toMicros = (ms: number): number => Math.round(ms * 1000) / 1000;
  return { ...cost, deviceMs: toMicros(cost.deviceMs), cpuMs: toMicros(cost.cpuMs) };
}

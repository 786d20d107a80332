/**
 * What the open requests of an actor thread have cost so far. The time of a model run is shared
 * evenly between its rows: they are padded to one length, so each takes as much of it. One writer:
 * the engines of the thread, whose runs come one after the other.
 */
import type { AttemptCost } from '@llmos/base';
import { NO_COST, addCosts } from '@llmos/base';
import { ENGINE_LIMITS } from './limits';

/** One row of a run, and the tokens of its request's input that it reads. */
export interface ChargedRow {
  readonly requestId: number;
  readonly inputTokens: number;
}

export interface CostMeterParts {
  readonly nowMs: () => number;
  /** That a run keeps busy. */
  readonly cores: number;
  /** Between two tellings of what open requests have cost; absent: as limits.ts says. */
  readonly tellMs?: number;
  /** Of each open request that cost anything, as a run ends. */
  readonly tell: (costs: readonly (readonly [requestId: number, soFar: AttemptCost])[]) => void;
}

export class CostMeter {
  private readonly open = new Map<number, AttemptCost>();
  private toldAtMs: number;

  constructor(private readonly parts: CostMeterParts) {
    this.toldAtMs = parts.nowMs();
  }

  /** From now on they are charged. */
  begin(...requestIds: readonly number[]): void {
    for (const requestId of requestIds) this.open.set(requestId, NO_COST);
  }

  /** All that it cost, at its answer; undefined: nothing, or it is not open. */
  end(requestId: number): AttemptCost | undefined {
    const cost = this.open.get(requestId);
    this.open.delete(requestId);
    return cost === NO_COST ? undefined : cost;
  }

  /** Runs the model over rows, and charges the time to them, also where it fails. */
  async run<Outcome>(rows: readonly ChargedRow[], work: () => Promise<Outcome>): Promise<Outcome> {
    const startedAtMs = this.parts.nowMs();
    try {
      return await work();
    } finally {
      const nowMs = this.parts.nowMs();
      this.charge(rows, nowMs - startedAtMs);
      this.tellSome(nowMs);
    }
  }

  made(requestId: number, outputTokens: number): void {
    this.add(requestId, { ...NO_COST, outputTokens });
  }

  private charge(rows: readonly ChargedRow[], runMs: number): void {
    const deviceMs = runMs / Math.max(1, rows.length);
    const cpuMs = deviceMs * this.parts.cores;
    for (const { requestId, inputTokens } of rows) {
      this.add(requestId, { deviceMs, cpuMs, inputTokens, outputTokens: 0 });
    }
  }

  private add(requestId: number, more: AttemptCost): void {
    const known = this.open.get(requestId);
    if (known !== undefined) this.open.set(requestId, addCosts(known, more));
  }

  private tellSome(nowMs: number): void {
    const { tellMs = ENGINE_LIMITS.costsMs, tell } = this.parts;
    if (nowMs - this.toldAtMs < tellMs) return;
    this.toldAtMs = nowMs;
    const costs = [...this.open].filter(([, cost]) => cost !== NO_COST);
    if (costs.length > 0) tell(costs);
  }
}

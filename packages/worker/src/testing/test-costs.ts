import { CostMeter } from '../engine/cost-meter';

/** For tests: a meter whose clock moves by one at each look, and that tells nothing by itself. */
export function testCosts(cores = 1): CostMeter {
  let nowMs = 0;
  return new CostMeter({ nowMs: () => nowMs++, cores, tellMs: Infinity, tell: () => undefined });
}

/**
 * e to the power of numbers from -50 to 0, to ten digits: in a third of the time of `Math.exp`,
 * which would be most of what it takes to draw a token. Logits are float32, of seven digits.
 */
const LEAST = -50;
/** Powers of two in steps of a sixteenth, so that four terms of the series are enough. */
const STEPS = 16;
const STEP_COUNT = 73 * STEPS;
const POWERS = Float64Array.from({ length: STEP_COUNT + 1 }, (_, at) => 2 ** (at / STEPS - 73));
const STEPS_PER_ONE = STEPS * Math.LOG2E;
const STEP = Math.LN2 / STEPS;

/** 0 below -50: less than half a step of a random number, for any vocabulary. */
export function fastExp(exponent: number): number {
  if (!(exponent >= LEAST)) return 0;
  const steps = (exponent * STEPS_PER_ONE - 0.5) | 0;
  // At most half a step, so what the Taylor series leaves out is below 5e-11.
  const rest = exponent - steps * STEP;
  const series = 1 + rest * (1 + rest * (1 / 2 + rest * (1 / 6 + rest * (1 / 24))));
  return (POWERS[steps + STEP_COUNT] as number) * series;
}

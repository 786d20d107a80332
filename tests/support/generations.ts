import type { GenerateOutput } from '@llmos/sdk';

/** An output without how much of its prompt the process knew already, which others decide. */
export function uncached(output: GenerateOutput): GenerateOutput {
  const { usage } = output;
  return usage === undefined ? output : { ...output, usage: { ...usage, cachedTokens: 0 } };
}

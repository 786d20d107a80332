/**
 * How likely the model itself held a token: log-probabilities of its own distribution, before
 * biases, penalties, temperature and cuts, as OpenAI's API and vLLM give them by default.
 */
import type { ChosenLogprob, TokenLogprob } from '@llmos/base';
import type { SamplingWorkspace } from './sampling';
import { rankBest } from './token-ranking';

export interface LogprobQuestion {
  /** The model's logits, unchanged. */
  readonly logits: Float32Array;
  readonly token: number;
  /** Likeliest tokens to list. */
  readonly topCount: number;
  readonly textOf: (token: number) => string;
}

export function describeChoice(
  question: LogprobQuestion,
  workspace: SamplingWorkspace,
): ChosenLogprob {
  const { logits, token, topCount, textOf } = question;
  const logSum = logSumExp(logits);
  const describe = (id: number): TokenLogprob => ({
    token: id,
    text: textOf(id),
    logprob: rounded((logits[id] as number) - logSum),
  });
  const count = Math.min(topCount, logits.length);
  workspace.fit(logits.length);
  if (count > 0) rankBest(logits, count, workspace.ids);
  const top = Array.from(workspace.ids.subarray(0, count))
    // JSON has no infinity, and a token that is ruled out is no alternative.
    .filter((id) => logits[id] !== -Infinity)
    .map(describe);
  return { ...describe(token), top };
}

function logSumExp(logits: Float32Array): number {
  let largest = -Infinity;
  for (const logit of logits) if (logit > largest) largest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return largest + Math.log(sum);
}

/** Logits are float32: more digits would be noise, and a result holds many of them. */
function rounded(logprob: number): number {
  return Math.round(logprob * 1e6) / 1e6 + 0;
}

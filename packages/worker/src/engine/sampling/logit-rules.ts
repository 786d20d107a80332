/**
 * What a request changes of the model's logits before a token is chosen, in place and in this
 * order, which is that of vLLM and of the Transformers library: bias, repetition penalty (Keskar
 * et al. 2019, CTRL), presence and frequency penalty (as OpenAI's API defines them), ends ruled out
 * before the least number of tokens.
 *
 * Counts are kept as tokens come, so a step costs no more than the tokens that it touches.
 */
export interface LogitRuleSettings {
  /** Over tokens of the prompt and the output; 1: none. */
  readonly repetitionPenalty: number;
  /** Over tokens of the output; 0: none. */
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  /** Added to the logits of token ids. */
  readonly bias: ReadonlyMap<number, number>;
  /** Tokens ruled out as long as the output has fewer than `minTokens`. */
  readonly ends: ReadonlySet<number>;
  readonly minTokens: number;
}

/** Of the numbers that float32 has. */
const LARGEST = (2 - 2 ** -23) * 2 ** 127;

export class LogitRules {
  private readonly biasIds: Int32Array;
  private readonly biases: Float64Array;
  private readonly ends: readonly number[];
  private readonly isCounting: boolean;
  /** Each token once, with how often the output has it: 0 where only the prompt does. */
  private readonly seen: number[] = [];
  private readonly counts: number[] = [];
  private readonly places = new Map<number, number>();
  private outputCount = 0;

  constructor(
    private readonly settings: LogitRuleSettings,
    prompt: readonly number[],
  ) {
    this.biasIds = Int32Array.from(settings.bias.keys());
    this.biases = Float64Array.from(settings.bias.values());
    this.ends = settings.minTokens > 0 ? [...settings.ends] : [];
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = settings;
    this.isCounting = repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
    if (repetitionPenalty !== 1) for (const id of prompt) this.placeOf(id);
  }

  /** Counts a token of the output. */
  push(token: number): void {
    this.outputCount += 1;
    if (!this.isCounting) return;
    const place = this.placeOf(token);
    this.counts[place] = (this.counts[place] as number) + 1;
  }

  /** Changes the logits of the next token. Ids that they don't have are passed over. */
  apply(logits: Float32Array): void {
    for (let index = 0; index < this.biasIds.length; index += 1) {
      const id = this.biasIds[index] as number;
      if (id < logits.length) logits[id] = (logits[id] as number) + (this.biases[index] as number);
    }
    if (this.isCounting) this.penalize(logits);
    if (this.outputCount >= this.settings.minTokens) return;
    for (const id of this.ends) if (id < logits.length) logits[id] = -Infinity;
  }

  private penalize(logits: Float32Array): void {
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = this.settings;
    for (let place = 0; place < this.seen.length; place += 1) {
      const id = this.seen[place] as number;
      if (id >= logits.length) continue;
      const count = this.counts[place] as number;
      const logit = logits[id] as number;
      let changed = logit * repetitionPenalty;
      // A tiny penalty must not look like a logit that the model can't have given.
      if (logit > 0) changed = Math.min(logit / repetitionPenalty, Math.max(logit, LARGEST));
      if (count > 0) changed -= presencePenalty + frequencyPenalty * count;
      logits[id] = changed;
    }
  }

  private placeOf(token: number): number {
    const known = this.places.get(token);
    if (known !== undefined) return known;
    const place = this.seen.length;
    this.places.set(token, place);
    this.seen.push(token);
    this.counts.push(0);
    return place;
  }
}

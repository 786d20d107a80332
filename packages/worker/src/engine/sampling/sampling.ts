/**
 * Chooses the next token. Order as in the Transformers library: temperature, top-k, top-p of what
 * top-k leaves, min-p; penalties and biases come before (logit-rules). Equal logits go to the lower
 * id. The random number is an argument, so the choice depends on the logits, the settings and that
 * number only. Tokens are drawn in the order of their ids, so that the noise of a logit moves no
 * other token by more than that noise. Nothing is allocated but where the vocabulary grows.
 */
import { LlmosError, mix32 } from '@llmos/base';
import { fastExp } from './fast-exp';
import { isBefore, lastOfShare, rankBest } from './token-ranking';

export interface SamplingSettings {
  /** 0 is greedy. */
  readonly temperature: number;
  /** 0: no limit. */
  readonly topK: number;
  /** Share of the probability, over 0; 1: no limit. */
  readonly topP: number;
  /** Share of the likeliest token's probability; 0: no limit. Default 0. */
  readonly minP?: number;
}

/** Memory that choosing a token needs; one for each engine, since one token is chosen at a time. */
export class SamplingWorkspace {
  /** Token ids that are kept, or asked for. */
  ids = new Int32Array(0);
  /** By token id, relative to the likeliest one's. */
  weights = new Float64Array(0);
  private raw = new Float32Array(0);

  fit(vocabularySize: number): void {
    if (this.ids.length >= vocabularySize) return;
    this.ids = new Int32Array(vocabularySize);
    this.weights = new Float64Array(vocabularySize);
  }

  /** A copy of the logits, which stays as it is until the next one. */
  copyOf(logits: Float32Array): Float32Array {
    if (this.raw.length !== logits.length) this.raw = new Float32Array(logits.length);
    this.raw.set(logits);
    return this.raw;
  }
}

/** Uniform in [0, 1), a function of the seed and the token's index in the output alone. */
export function uniformOf(seed: number, tokenIndex: number): number {
  // Not symmetric in its two arguments, or seed 3 at token 4 would be seed 4 at token 3.
  const high = mix32(mix32(seed) + Math.imul(tokenIndex, 0x9e3779b9));
  const low = mix32(high ^ 0x5bd1e995);
  return (high * 2 ** 21 + (low >>> 11)) / 2 ** 53;
}

/** The seed of one of several samples; the first has the seed itself. */
export function sampleSeed(seed: number, sampleIndex: number): number {
  if (sampleIndex === 0) return seed;
  return mix32(mix32(seed ^ 0x6a09e667) + Math.imul(sampleIndex, 0x85ebca6b));
}

/** @param uniform in [0, 1). Throws INTERNAL where no logit can be compared. */
export function chooseToken(
  logits: Float32Array,
  settings: SamplingSettings,
  uniform: number,
  workspace = new SamplingWorkspace(),
): number {
  const best = likeliest(logits);
  if (settings.temperature === 0) return best;
  workspace.fit(logits.length);
  const { topK, topP, minP = 0 } = settings;
  const largest = logits[best] as number;
  if (topK > 0 && topK < logits.length) {
    return drawFromTop(workspace, { logits, largest, settings, uniform });
  }
  const total = weighAll(workspace.weights, logits, largest, settings.temperature);
  if (topP < 1) return drawFromNucleus(workspace, { logits, largest, settings, uniform }, total);
  if (minP > 0) return drawFromLikely(workspace, logits.length, minP, uniform);
  return drawFromAll(workspace.weights, logits.length, uniform * total);
}

/** The token with the largest logit, found in one pass. */
function likeliest(logits: Float32Array): number {
  let best = -1;
  let most = -Infinity;
  for (let id = 0; id < logits.length; id += 1) {
    const logit = logits[id] as number;
    // So that one comparison finds the larger ones and those that can't be compared.
    if (logit <= most) continue;
    if (Number.isNaN(logit) || logit === Infinity) {
      throw new LlmosError('INTERNAL', `the model gave ${logit} as the logit of token ${id}`);
    }
    most = logit;
    best = id;
  }
  if (best < 0) throw new LlmosError('INTERNAL', 'the model rules out every token');
  return best;
}

/** Answers the sum of the weights. */
function weighAll(
  weights: Float64Array,
  logits: Float32Array,
  largest: number,
  temperature: number,
): number {
  let total = 0;
  for (let id = 0; id < logits.length; id += 1) {
    const weight = fastExp(((logits[id] as number) - largest) / temperature);
    weights[id] = weight;
    total += weight;
  }
  return total;
}

interface Draw {
  readonly logits: Float32Array;
  readonly largest: number;
  readonly settings: SamplingSettings;
  readonly uniform: number;
}

function drawFromTop(workspace: SamplingWorkspace, draw: Draw): number {
  const { ids, weights } = workspace;
  const { logits, largest, settings } = draw;
  rankBest(logits, settings.topK, ids);
  let total = 0;
  for (let place = 0; place < settings.topK; place += 1) {
    const id = ids[place] as number;
    const weight = fastExp(((logits[id] as number) - largest) / settings.temperature);
    weights[id] = weight;
    total += weight;
  }
  const wanted = settings.topP < 1 ? settings.topP * total : Infinity;
  let kept = 0;
  let keptWeight = 0;
  while (kept < settings.topK && (kept === 0 || keptWeight < wanted)) {
    keptWeight += weights[ids[kept] as number] as number;
    kept += 1;
  }
  ids.subarray(0, kept).sort();
  return drawFromKept(workspace, kept, settings.minP ?? 0, draw.uniform);
}

function drawFromNucleus(workspace: SamplingWorkspace, draw: Draw, total: number): number {
  const { ids, weights } = workspace;
  const { logits, settings } = draw;
  // All tokens below this weight together have less than the share that is left out. The likeliest
  // is never below it: its weight is 1, and the total at most the number of tokens.
  const least = ((1 - settings.topP) * total) / logits.length;
  let count = 0;
  for (let id = 0; id < logits.length; id += 1) {
    if ((weights[id] as number) < least) continue;
    ids[count] = id;
    count += 1;
  }
  const last = lastOfShare({ logits, weights, ids, count }, settings.topP * total);
  let kept = 0;
  for (let id = 0; id < logits.length; id += 1) {
    if (isBefore(logits, last, id)) continue;
    ids[kept] = id;
    kept += 1;
  }
  return drawFromKept(workspace, kept, settings.minP ?? 0, draw.uniform);
}

function drawFromLikely(
  workspace: SamplingWorkspace,
  vocabularySize: number,
  minP: number,
  uniform: number,
): number {
  const { ids, weights } = workspace;
  let kept = 0;
  for (let id = 0; id < vocabularySize; id += 1) {
    if ((weights[id] as number) < minP) continue;
    ids[kept] = id;
    kept += 1;
  }
  return drawFromKept(workspace, kept, minP, uniform);
}

/** Draws from the first `count` of `ids`, which ascend, and of those from the ones over min-p. */
function drawFromKept(
  workspace: SamplingWorkspace,
  count: number,
  minP: number,
  uniform: number,
): number {
  const { ids, weights } = workspace;
  let total = 0;
  for (let place = 0; place < count; place += 1) {
    const weight = weights[ids[place] as number] as number;
    if (weight >= minP) total += weight;
  }
  let left = uniform * total;
  let last = ids[0] as number;
  for (let place = 0; place < count; place += 1) {
    const id = ids[place] as number;
    const weight = weights[id] as number;
    if (weight === 0 || weight < minP) continue;
    last = id;
    left -= weight;
    if (left < 0) return id;
  }
  return last;
}

function drawFromAll(weights: Float64Array, count: number, at: number): number {
  let left = at;
  let last = 0;
  for (let id = 0; id < count; id += 1) {
    const weight = weights[id] as number;
    if (weight === 0) continue;
    last = id;
    left -= weight;
    if (left < 0) return id;
  }
  return last;
}

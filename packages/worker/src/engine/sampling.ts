/**
 * Chooses the next token. Order as in the Transformers library: repetition penalty, temperature,
 * top-k, top-p. Equal logits go to the lower id. The random number is an argument, so the choice
 * depends on the logits, the settings and that number only.
 */
import { LlmosError, mix32 } from '@llmos/base';

export interface SamplingSettings {
  /** 0 is greedy. */
  readonly temperature: number;
  /** 0: no limit. */
  readonly topK: number;
  readonly topP: number;
  /** 1: none. */
  readonly repetitionPenalty: number;
}

/** Uniform in [0, 1), a function of the seed and the token's index in the output alone. */
export function uniformOf(seed: number, tokenIndex: number): number {
  // Not symmetric in its two arguments, or seed 3 at token 4 would be seed 4 at token 3.
  const high = mix32(mix32(seed) + Math.imul(tokenIndex, 0x9e3779b9));
  const low = mix32(high ^ 0x5bd1e995);
  return (high * 2 ** 21 + (low >>> 11)) / 2 ** 53;
}

/** Makes tokens that occurred less likely, in place. */
export function penalizeRepetition(
  logits: Float32Array,
  occurred: ReadonlySet<number>,
  penalty: number,
): void {
  if (penalty === 1) return;
  for (const id of occurred) {
    const logit = logits[id];
    if (logit !== undefined) logits[id] = logit > 0 ? logit / penalty : logit * penalty;
  }
}

/** Throws INTERNAL where no logit can be compared. */
export function chooseToken(
  logits: Float32Array,
  settings: SamplingSettings,
  uniform: number,
): number {
  const best = largest(logits);
  if (settings.temperature === 0) return best;
  const hasLimit = (settings.topK > 0 && settings.topK < logits.length) || settings.topP < 1;
  const weigh = (id: number): number =>
    Math.exp(((logits[id] ?? 0) - (logits[best] ?? 0)) / settings.temperature);
  return hasLimit
    ? drawFromBest(logits, settings, weigh, uniform)
    : drawFromAll(logits.length, weigh, uniform);
}

function largest(logits: Float32Array): number {
  let best = -1;
  let most = -Infinity;
  for (let id = 0; id < logits.length; id += 1) {
    const logit = logits[id] as number;
    if (Number.isNaN(logit) || logit === Infinity) {
      throw new LlmosError('INTERNAL', `the model gave ${logit} as the logit of token ${id}`);
    }
    if (logit > most) {
      most = logit;
      best = id;
    }
  }
  if (best < 0) throw new LlmosError('INTERNAL', 'the model rules out every token');
  return best;
}

type Weigh = (id: number) => number;

function drawFromAll(count: number, weigh: Weigh, uniform: number): number {
  let total = 0;
  for (let id = 0; id < count; id += 1) total += weigh(id);
  let left = uniform * total;
  let last = 0;
  for (let id = 0; id < count; id += 1) {
    const weight = weigh(id);
    if (weight === 0) continue;
    last = id;
    left -= weight;
    if (left < 0) return id;
  }
  return last;
}

/** Takes tokens off a heap, best first, until there are enough: the rest is never sorted. */
function drawFromBest(
  logits: Float32Array,
  settings: SamplingSettings,
  weigh: Weigh,
  uniform: number,
): number {
  const heap = new LogitHeap(logits);
  const most = settings.topK > 0 ? Math.min(settings.topK, logits.length) : logits.length;
  const kept: { readonly id: number; readonly weight: number }[] = [];
  // top-p is a share of what top-k leaves; without top-k, of everything.
  let whole = 0;
  if (settings.topK === 0) for (let id = 0; id < logits.length; id += 1) whole += weigh(id);
  let keptWeight = 0;
  while (kept.length < most) {
    const isEnough = settings.topK === 0 && keptWeight >= settings.topP * whole;
    if (isEnough && kept.length > 0) break;
    const id = heap.take();
    kept.push({ id, weight: weigh(id) });
    keptWeight += kept.at(-1)?.weight ?? 0;
  }
  return drawFromKept(kept, settings.topP * keptWeight, settings.topK === 0, uniform);
}

function drawFromKept(
  kept: readonly { readonly id: number; readonly weight: number }[],
  wanted: number,
  isCut: boolean,
  uniform: number,
): number {
  let count = kept.length;
  if (!isCut) {
    let weight = 0;
    count = 0;
    while (count < kept.length && (count === 0 || weight < wanted)) {
      weight += kept[count]?.weight ?? 0;
      count += 1;
    }
  }
  const nucleus = kept.slice(0, count);
  let left = uniform * nucleus.reduce((sum, item) => sum + item.weight, 0);
  for (const { id, weight } of nucleus) {
    left -= weight;
    if (left < 0) return id;
  }
  return nucleus[0]?.id ?? 0;
}

/** A binary heap of token ids, the largest logit on top, the lower id first among equals. */
class LogitHeap {
  private readonly ids: Int32Array;
  private size: number;

  constructor(private readonly logits: Float32Array) {
    this.ids = Int32Array.from(logits, (_, id) => id);
    this.size = this.ids.length;
    for (let at = (this.size >> 1) - 1; at >= 0; at -= 1) this.sink(at);
  }

  take(): number {
    const top = this.ids[0] ?? 0;
    this.size -= 1;
    this.ids[0] = this.ids[this.size] ?? 0;
    this.sink(0);
    return top;
  }

  private sink(start: number): void {
    let at = start;
    for (;;) {
      const left = 2 * at + 1;
      let best = at;
      if (left < this.size && this.isBefore(left, best)) best = left;
      if (left + 1 < this.size && this.isBefore(left + 1, best)) best = left + 1;
      if (best === at) return;
      const moved = this.ids[at] ?? 0;
      this.ids[at] = this.ids[best] ?? 0;
      this.ids[best] = moved;
      at = best;
    }
  }

  private isBefore(a: number, b: number): boolean {
    const first = this.ids[a] ?? 0;
    const second = this.ids[b] ?? 0;
    const difference = (this.logits[first] ?? 0) - (this.logits[second] ?? 0);
    return difference > 0 || (difference === 0 && first < second);
  }
}

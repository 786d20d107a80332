/**
 * Ranks tokens by their logits without sorting the vocabulary. The larger logit is first, among
 * equals the lower id; so no two tokens have the same rank.
 */

/**
 * The best `count` tokens, best first, in `ids[0 … count - 1]`; one pass, a heap of `count`.
 * `count` is at most the number of logits and the length of `ids`.
 */
export function rankBest(logits: Float32Array, count: number, ids: Int32Array): void {
  for (let id = 0; id < count; id += 1) ids[id] = id;
  for (let at = (count >> 1) - 1; at >= 0; at -= 1) sink(logits, ids, count, at);
  let worst = logits[ids[0] as number] as number;
  for (let id = count; id < logits.length; id += 1) {
    if (!((logits[id] as number) > worst)) continue;
    ids[0] = id;
    sink(logits, ids, count, 0);
    worst = logits[ids[0]] as number;
  }
  // The worst one is on top: moved to the end again and again, the best comes first.
  for (let left = count - 1; left > 0; left -= 1) {
    swap(ids, 0, left);
    sink(logits, ids, left, 0);
  }
}

export interface ShareQuestion {
  readonly logits: Float32Array;
  /** By token id; larger for a larger logit. */
  readonly weights: Float64Array;
  /** The tokens in question are `ids[0 … count - 1]`; their order is lost. */
  readonly ids: Int32Array;
  readonly count: number;
}

/**
 * The last one of the fewest best tokens that together have the wanted weight; the very last token
 * where all have less. Quickselect by weight (Hoare 1961): each pass halves what is left.
 */
export function lastOfShare(question: ShareQuestion, wanted: number): number {
  const { logits, weights, ids } = question;
  let start = 0;
  let end = question.count;
  let missing = wanted;
  for (;;) {
    const pivot = movePivotToEnd(logits, ids, start, end);
    let better = start;
    let weight = 0;
    for (let at = start; at < end - 1; at += 1) {
      const id = ids[at] as number;
      if (!isBefore(logits, id, pivot)) continue;
      weight += weights[id] as number;
      swap(ids, at, better);
      better += 1;
    }
    if (weight >= missing && better > start) {
      end = better;
      continue;
    }
    weight += weights[pivot] as number;
    if (weight >= missing || better + 1 === end) return pivot;
    swap(ids, better, end - 1);
    missing -= weight;
    start = better + 1;
  }
}

export function isBefore(logits: Float32Array, a: number, b: number): boolean {
  const first = logits[a] as number;
  const second = logits[b] as number;
  return first > second || (first === second && a < b);
}

/** The middle one of three tokens, so that tokens in order are no worse than others. */
function movePivotToEnd(logits: Float32Array, ids: Int32Array, start: number, end: number): number {
  const middle = (start + end) >> 1;
  const last = end - 1;
  const order = (a: number, b: number): void => {
    if (isBefore(logits, ids[b] as number, ids[a] as number)) swap(ids, a, b);
  };
  order(start, middle);
  order(start, last);
  order(last, middle);
  return ids[last] as number;
}

/** Restores a heap with the worst token on top. */
function sink(logits: Float32Array, ids: Int32Array, size: number, start: number): void {
  const moved = ids[start] as number;
  let at = start;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    const right = child + 1;
    if (right < size && isBefore(logits, ids[child] as number, ids[right] as number)) child = right;
    if (!isBefore(logits, moved, ids[child] as number)) break;
    ids[at] = ids[child] as number;
    at = child;
  }
  ids[at] = moved;
}

function swap(ids: Int32Array, a: number, b: number): void {
  const id = ids[a] as number;
  ids[a] = ids[b] as number;
  ids[b] = id;
}

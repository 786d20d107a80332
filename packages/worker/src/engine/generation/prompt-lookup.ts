/**
 * Guesses what comes next by what came after the same tokens before: prompt lookup decoding
 * (A. Saxena, 2023, github.com/apoorvumang/prompt-lookup-decoding). The longest ending of the
 * history that occurred earlier decides, at its latest place. Where the place is so near the end
 * that its continuation reaches it, the continuation goes on with itself, as in LZ77.
 */
import { mix32 } from '@llmos/base';

export interface LookupOptions {
  /** Tokens of the longest and of the shortest ending that is looked for. */
  readonly ngram: number;
  readonly leastNgram?: number;
}

/** One token alone says too little: such guesses are wrong more often than they pay. */
const DEFAULTS = { ngram: 3, leastNgram: 2 } as const;

/** An index that follows a history as it grows; each token is looked at once for each length. */
export class PromptLookup {
  /** For each length from the shortest on: hash of the tokens → index of the token after them. */
  private readonly places: readonly Map<number, number>[];
  private readonly leastNgram: number;
  /** Tokens that are indexed: of each ending before them, the continuation is known. */
  private indexed = 0;

  /** @param history read when a draft is asked for; it may only grow in between. */
  constructor(
    private readonly history: readonly number[],
    options: LookupOptions = DEFAULTS,
  ) {
    this.leastNgram = Math.min(options.ngram, options.leastNgram ?? DEFAULTS.leastNgram);
    const count = options.ngram - this.leastNgram + 1;
    this.places = Array.from({ length: count }, () => new Map<number, number>());
  }

  /** Up to `most` tokens that may come next; none where nothing is alike. */
  draft(most: number): number[] {
    this.index();
    const { history, places, leastNgram } = this;
    for (let size = leastNgram + places.length - 1; size >= leastNgram; size -= 1) {
      if (history.length <= size) continue;
      const place = places[size - leastNgram]?.get(hashOf(history, history.length, size));
      if (place !== undefined && this.isSame(place, size)) return this.continuation(place, most);
    }
    return [];
  }

  private index(): void {
    const { history, places, leastNgram } = this;
    for (; this.indexed < history.length; this.indexed += 1) {
      for (let offset = 0; offset < places.length; offset += 1) {
        const size = leastNgram + offset;
        if (this.indexed < size) break;
        places[offset]?.set(hashOf(history, this.indexed, size), this.indexed);
      }
    }
  }

  /** Whether the tokens before the place are those at the end: hashes may agree by chance. */
  private isSame(place: number, size: number): boolean {
    const { history } = this;
    for (let back = 1; back <= size; back += 1) {
      if (history[place - back] !== history[history.length - back]) return false;
    }
    return true;
  }

  private continuation(place: number, most: number): number[] {
    const { history } = this;
    const tokens: number[] = [];
    for (let offset = 0; offset < most; offset += 1) {
      const at = place + offset;
      const token = at < history.length ? history[at] : tokens[at - history.length];
      tokens.push(token as number);
    }
    return tokens;
  }
}

/** Of the `size` tokens before `end`, in 52 bits, so that two of a history hardly ever collide. */
function hashOf(history: readonly number[], end: number, size: number): number {
  let high = size;
  let low = ~size;
  for (let at = end - size; at < end; at += 1) {
    const token = history[at] as number;
    high = mix32(high ^ token);
    low = mix32(low + Math.imul(token, 0x85ebca6b));
  }
  return (high & 0xfffff) * 2 ** 32 + low;
}

/** Reads a text that is longer than the model in windows that overlap, at word borders. */

export interface TextWindow {
  /** Words `first` up to, but not including, `end`. */
  readonly first: number;
  readonly end: number;
}

/** @param sizes tokens of each word, each at most `capacity`. */
export function planWindows(
  sizes: readonly number[],
  capacity: number,
  overlapTokens: number,
): readonly TextWindow[] {
  const windows: TextWindow[] = [];
  let first = 0;
  for (;;) {
    let end = first;
    for (let used = 0; end < sizes.length; end += 1) {
      used += sizes[end] ?? 0;
      if (used > capacity) break;
    }
    windows.push({ first, end });
    if (end >= sizes.length) return windows;
    let next = end;
    // Each window begins after the one before it and shows a word more, so that the walk ends.
    const most = Math.min(overlapTokens, capacity - (sizes[end] ?? 0));
    for (let shared = 0; next - 1 > first; next -= 1) {
      shared += sizes[next - 1] ?? 0;
      if (shared > most) break;
    }
    first = next;
  }
}

/** For each word the window that shows most of its surroundings on the narrower side. */
export function bestWindows(windows: readonly TextWindow[], wordCount: number): readonly number[] {
  const best = new Array<number>(wordCount).fill(0);
  const margins = new Array<number>(wordCount).fill(-1);
  windows.forEach((window, index) => {
    for (let word = window.first; word < window.end; word += 1) {
      const before = window.first === 0 ? Infinity : word - window.first;
      const after = window.end === wordCount ? Infinity : window.end - 1 - word;
      const margin = Math.min(before, after);
      if (margin <= (margins[word] ?? -1)) continue;
      best[word] = index;
      margins[word] = margin;
    }
  });
  return best;
}

import { seededRandom } from '@llmos/base';
import type { SavedKv } from '../rows/decoder-rows';
import { PrefixCache } from './prefix-cache';

function savedOf(ids: readonly number[], bytesPerToken = 1): SavedKv {
  return { tokenCount: ids.length, bytes: ids.length * bytesPerToken, parts: [] };
}

const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => from + index);

describe('prefix cache', () => {
  it('finds the longest beginning, and leaves a token to be fed', () => {
    const cache = new PrefixCache({ maxBytes: 1000 });
    const ids = range(0, 40);
    const saved = savedOf(ids);
    cache.insert('a', ids, saved);
    expect(cache.find('a', [...ids, 99])).toEqual({ saved, tokenCount: 40 });
    expect(cache.find('a', ids)).toEqual({ saved, tokenCount: 39 });
    expect(cache.find('a', [...ids.slice(0, 20), 99, 98])).toEqual({ saved, tokenCount: 20 });
    expect(cache.find('a', ids.slice(0, 17))).toEqual({ saved, tokenCount: 16 });
  });

  it('passes over beginnings that are too short to be worth it', () => {
    const cache = new PrefixCache({ maxBytes: 1000 });
    cache.insert('a', range(0, 15), savedOf(range(0, 15)));
    expect(cache.entryCount).toBe(0);
    cache.insert('a', range(0, 40), savedOf(range(0, 40)));
    expect(cache.find('a', range(0, 16))).toBeUndefined();
    expect(cache.find('a', [...range(0, 15), 99, 98])).toBeUndefined();
    expect(cache.find('a', [])).toBeUndefined();
  });

  it('keeps scopes apart', () => {
    const cache = new PrefixCache({ maxBytes: 1000 });
    cache.insert('a', range(0, 40), savedOf(range(0, 40)));
    expect(cache.find('b', range(0, 40))).toBeUndefined();
    cache.insert('b', range(0, 40), savedOf(range(0, 40)));
    expect([cache.entryCount, cache.bytes]).toEqual([2, 80]);
  });

  it('replaces a beginning by the longer prompt, and keeps the longer one', () => {
    const cache = new PrefixCache({ maxBytes: 1000 });
    const [short, long] = [savedOf(range(0, 20)), savedOf(range(0, 60))];
    cache.insert('a', range(0, 20), short);
    cache.insert('a', range(0, 60), long);
    expect([cache.entryCount, cache.bytes]).toEqual([1, 60]);
    cache.insert('a', range(0, 20), short);
    expect([cache.entryCount, cache.bytes]).toEqual([1, 60]);
    expect(cache.find('a', range(0, 21))?.saved).toBe(long);
  });

  it('drops what was not used for the longest time, and never keeps what is too large', () => {
    const cache = new PrefixCache({ maxBytes: 60 });
    const [a, b, c] = [range(0, 20), range(100, 20), range(200, 20)];
    for (const ids of [a, b, c]) cache.insert('a', ids, savedOf(ids));
    expect(cache.find('a', a)?.tokenCount).toBe(19);
    cache.insert('a', range(300, 20), savedOf(range(300, 20)));
    expect(cache.find('a', b)).toBeUndefined();
    expect(cache.find('a', a)?.tokenCount).toBe(19);
    cache.insert('a', range(400, 61), savedOf(range(400, 61)));
    expect(cache.find('a', range(400, 61))).toBeUndefined();
    expect([cache.entryCount, cache.bytes]).toEqual([3, 60]);
  });

  it('counts only the tokens that were saved', () => {
    const cache = new PrefixCache({ maxBytes: 1000 });
    cache.insert('a', range(0, 60), savedOf(range(0, 30)));
    expect(cache.find('a', range(0, 60))?.tokenCount).toBe(30);
  });

  it('agrees with a list of entries that is searched from end to end', () => {
    for (let seed = 1; seed <= 12; seed += 1) comparePrefixes(seed);
  });
});

interface Entry {
  readonly scope: string;
  readonly ids: readonly number[];
  readonly saved: SavedKv;
}

function sharedCount(a: readonly number[], b: readonly number[]): number {
  let count = 0;
  while (count < a.length && a[count] === b[count]) count += 1;
  return count;
}

/** Random prompts that begin alike, into the cache and into a list without a bound. */
function comparePrefixes(seed: number): void {
  const random = seededRandom(seed);
  const isBounded = seed % 2 === 0;
  const cache = new PrefixCache({ maxBytes: isBounded ? 400 : Infinity });
  const inserted: Entry[] = [];
  const prompts: number[][] = [];
  const promptOf = (): number[] => {
    const base = prompts[random.below(prompts.length + 1)] ?? [];
    const kept = base.slice(0, random.below(base.length + 1));
    const fresh = Array.from({ length: random.below(50) }, () => random.below(2));
    return [...kept, ...fresh].slice(0, 120);
  };
  for (let round = 0; round < 150; round += 1) {
    const scope = `s${random.below(2)}`;
    const ids = promptOf();
    prompts.push(ids);
    if (random.chance(0.5)) {
      const saved = savedOf(ids);
      cache.insert(scope, ids, saved);
      inserted.push({ scope, ids, saved });
    } else {
      const found = cache.find(scope, ids);
      const longest = inserted
        .filter((entry) => entry.scope === scope && entry.ids.length >= 16)
        .reduce((most, entry) => Math.max(most, sharedCount(entry.ids, ids)), 0);
      const expected = Math.min(longest, ids.length - 1);
      if (!isBounded) expect(found?.tokenCount ?? 0).toBe(expected >= 16 ? expected : 0);
      if (found !== undefined) {
        // What is found was inserted in this scope, and begins with these tokens.
        const entry = inserted.find((one) => one.saved === found.saved);
        expect(entry?.scope).toBe(scope);
        expect(sharedCount(entry?.ids ?? [], ids)).toBeGreaterThanOrEqual(found.tokenCount);
        expect(found.tokenCount).toBeLessThanOrEqual(expected);
      }
    }
    expect([seed, round, cache.violations()]).toEqual([seed, round, []]);
  }
  if (!isBounded) return;
  // The last prompt that was kept is always found.
  const last = inserted.findLast((entry) => entry.ids.length >= 16 && entry.ids.length <= 400);
  if (last !== undefined) {
    expect(cache.find(last.scope, [...last.ids, 9])?.tokenCount).toBe(last.ids.length);
  }
}

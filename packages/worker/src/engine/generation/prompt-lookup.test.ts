import { seededRandom } from '@llmos/base';
import type { LookupOptions } from './prompt-lookup';
import { PromptLookup } from './prompt-lookup';

function draftTokens(
  history: readonly number[],
  options: { readonly maxDraft: number } & LookupOptions,
): number[] {
  return new PromptLookup(history, options).draft(options.maxDraft);
}

/** The definition: search backwards, longest ending first; then copy, also from the copy. */
function definedDraft(
  history: readonly number[],
  options: { maxDraft: number; ngram: number; leastNgram: number },
): number[] {
  for (let size = options.ngram; size >= options.leastNgram; size -= 1) {
    const ending = history.slice(history.length - size).join();
    for (let place = history.length - 1; place >= size; place -= 1) {
      if (history.slice(place - size, place).join() !== ending) continue;
      const all = [...history];
      for (let at = place; all.length < history.length + options.maxDraft; at += 1) {
        all.push(all[at] as number);
      }
      return all.slice(history.length);
    }
  }
  return [];
}

describe('prompt lookup', () => {
  it('drafts what came after the same tokens, at their latest place', () => {
    const history = [1, 2, 3, 4, 9, 1, 2, 3, 5, 9, 9, 1, 2, 3];
    expect(draftTokens(history, { maxDraft: 3, ngram: 3 })).toEqual([5, 9, 9]);
    expect(draftTokens([1, 2, 7, 8, 2], { maxDraft: 3, ngram: 3 })).toEqual([]);
    const single = { maxDraft: 2, ngram: 3, leastNgram: 1 };
    expect(draftTokens([1, 2, 7, 8, 2], single)).toEqual([7, 8]);
  });

  it('prefers the longer ending to the later place', () => {
    const history = [1, 2, 3, 50, 9, 2, 3, 60, 1, 2, 3];
    expect(draftTokens(history, { maxDraft: 1, ngram: 3 })).toEqual([50]);
  });

  it('goes on with its own draft where the text repeats itself', () => {
    expect(draftTokens([7, 8, 7, 8, 7], { maxDraft: 5, ngram: 3 })).toEqual([8, 7, 8, 7, 8]);
    expect(draftTokens([4, 4, 4], { maxDraft: 4, ngram: 3 })).toEqual([4, 4, 4, 4]);
  });

  it('drafts nothing from too short a history', () => {
    for (const history of [[], [1], [1, 1]]) {
      expect(draftTokens(history, { maxDraft: 4, ngram: 3 })).toEqual([]);
    }
  });

  it('agrees with a search of the whole history, however it grew', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const random = seededRandom(seed);
      const history: number[] = [];
      const options = { ngram: 1 + random.below(4), leastNgram: 1 };
      const lookup = new PromptLookup(history, options);
      const words = 2 + random.below(8);
      while (history.length < 150) {
        for (let more = random.below(5); more >= 0; more -= 1) history.push(random.below(words));
        const maxDraft = random.below(9);
        const draft = lookup.draft(maxDraft);
        expect(draft).toEqual(definedDraft(history, { ...options, maxDraft }));
      }
    }
  });
});

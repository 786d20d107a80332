/** Which tokens a sequence is expected to give next, so that one run can verify several. */
import { DraftPolicy } from './draft-policy';
import { PromptLookup } from './prompt-lookup';

export interface Drafting {
  /** At most so many tokens that may come after the history; often none. */
  draft(most: number): readonly number[];
  record(draftedTokens: number, acceptedTokens: number): void;
}

export const NO_DRAFTS: Drafting = { draft: () => [], record: () => undefined };

/** Drafts from what the history, which grows in place, has said before. */
export function lookupDrafts(history: readonly number[]): Drafting {
  const lookup = new PromptLookup(history);
  const policy = new DraftPolicy();
  return {
    draft: (most) => {
      const count = Math.min(most, policy.next());
      return count > 0 ? lookup.draft(count) : [];
    },
    record: (draftedTokens, acceptedTokens) => policy.record(draftedTokens, acceptedTokens),
  };
}

/** Merges the tags of words into entities. */
import type { Entity } from '@llmos/base';

export interface TaggedWord {
  /** UTF-16 units of the text. */
  readonly start: number;
  readonly end: number;
  /** Such as `B-ORG`, `I-ORG`, `O`. */
  readonly tag: string;
  /** Probability of the tag. */
  readonly score: number;
}

interface OpenEntity {
  readonly type: string;
  readonly start: number;
  end: number;
  readonly scores: number[];
}

/**
 * B, S and U begin an entity, I, E and L continue one of the same type (or begin it, where the
 * model left its beginning out). The score is the mean over the entity's words.
 */
export function mergeEntities(text: string, words: readonly TaggedWord[]): readonly Entity[] {
  const entities: OpenEntity[] = [];
  let open: OpenEntity | undefined;
  for (const word of words) {
    const { begins, type } = parseTag(word.tag);
    if (type === undefined) {
      open = undefined;
    } else if (open !== undefined && !begins && open.type === type) {
      open.end = word.end;
      open.scores.push(word.score);
    } else {
      open = { type, start: word.start, end: word.end, scores: [word.score] };
      entities.push(open);
    }
  }
  return entities.map(({ type, start, end, scores }) => ({
    type,
    text: text.slice(start, end),
    start,
    end,
    score: scores.reduce((sum, score) => sum + score, 0) / scores.length,
  }));
}

function parseTag(tag: string): { begins: boolean; type: string | undefined } {
  if (tag === 'O' || tag === '') return { begins: false, type: undefined };
  const match = /^([BIESLU])-(.+)$/s.exec(tag);
  if (match === null) return { begins: false, type: tag };
  return { begins: 'BSU'.includes(match[1] ?? ''), type: match[2] };
}

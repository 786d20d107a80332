/**
 * Keys and values that are not computed twice: of sequences that were switched out or given back,
 * of prompts that begin alike, of the samples of one prompt. Answers rows that hold what is known
 * of a sequence; the last token of its history is always left to be fed, since it gives the logits.
 */
import type { DecoderRows, KvRow, SavedKv } from './decoder-rows';
import type { PrefixCache } from './prefix-cache';
import type { SavedContexts } from './saved-contexts';
import type { Sequence } from './sequence';
import { contextKey, promptKey } from './sequence';
import type { EngineRequest } from './engine';

export interface KvReuseParts {
  readonly rows: DecoderRows;
  readonly contexts: SavedContexts;
  readonly prefixes: PrefixCache;
  /** What is fed together changes results, so only whole contexts are restored. */
  readonly feedsAlike: boolean;
  /** Prefixes are shared by all tenants. */
  readonly sharesPrefixes: boolean;
}

interface Known {
  readonly saved: SavedKv;
  readonly tokenCount: number;
}

export class KvReuse {
  reusedTokens = 0;

  constructor(private readonly parts: KvReuseParts) {}

  /** A row with as much of the sequence as is known; an empty one where nothing is. */
  async open(sequence: Sequence): Promise<KvRow> {
    const { rows } = this.parts;
    const known = this.known(sequence);
    this.parts.contexts.drop(sequence.key);
    if (known === undefined) return rows.open();
    const row = await rows.restore(known.saved, known.tokenCount);
    this.reusedTokens += known.tokenCount;
    return row;
  }

  /** Keeps what a sequence computed that loses its row. */
  async switchOut(sequence: Sequence): Promise<void> {
    const { contexts, rows } = this.parts;
    const { row } = sequence;
    if (!rows.isSavable || row === undefined || row.tokenCount === 0) return;
    const saved = await rows.save(row);
    const ids = sequence.history.slice(0, saved.tokenCount);
    contexts.keep(sequence.key, { saved, ids, urgency: sequence.urgency, isGivenBack: false });
  }

  /** Keeps a prompt that was just read, for those that begin alike and for its other samples. */
  async keepPrompt(sequence: Sequence, isShared: boolean): Promise<void> {
    const { contexts, prefixes, rows } = this.parts;
    const { row } = sequence;
    if (!rows.isSavable || row === undefined) return;
    const ids = sequence.history.slice(0, row.tokenCount);
    const isNew = this.sharesParts && !this.isKnownPrompt(sequence, ids);
    if (!isNew && !isShared) return;
    const saved = await rows.save(row);
    if (isNew) prefixes.insert(this.scopeOf(sequence.request), ids, saved);
    if (!isShared) return;
    const { urgency } = sequence;
    contexts.keep(promptKey(sequence.request), { saved, ids, urgency, isGivenBack: false });
  }

  /** Forgets what no one of an answered request will ask for again. */
  drop(request: EngineRequest, sampleCount: number): void {
    const { contexts } = this.parts;
    for (let index = 0; index < sampleCount; index += 1) {
      contexts.dropWaiting(contextKey(request, index));
    }
    contexts.dropWaiting(promptKey(request));
  }

  /**
   * Whether the rest of a prompt may be fed apart from its beginning: a graph that takes no parts
   * would round it differently, and one whose rows depend on each other compute it differently.
   */
  private get sharesParts(): boolean {
    return this.parts.rows.takesParts && !this.parts.feedsAlike;
  }

  private known(sequence: Sequence): Known | undefined {
    const { contexts, prefixes } = this.parts;
    const { history, request } = sequence;
    const own = contexts.find(sequence.key) ?? contexts.find(promptKey(request));
    if (own !== undefined) {
      const tokenCount = commonLength(own.ids, history);
      const isUsable = this.sharesParts || tokenCount === history.length - 1;
      if (tokenCount > 0 && isUsable) return { saved: own.saved, tokenCount };
    }
    return this.sharesParts ? prefixes.find(this.scopeOf(request), history) : undefined;
  }

  /** One more copy of what is there would cost as much as the hit saves. */
  private isKnownPrompt(sequence: Sequence, ids: readonly number[]): boolean {
    const found = this.parts.prefixes.find(this.scopeOf(sequence.request), ids);
    return found !== undefined && found.tokenCount >= ids.length - 1;
  }

  private scopeOf(request: EngineRequest): string {
    return this.parts.sharesPrefixes ? '' : request.tenant;
  }
}

/** Tokens that the two begin with alike, without the last one of the history. */
function commonLength(ids: readonly number[], history: readonly number[]): number {
  const most = Math.min(ids.length, history.length - 1);
  let count = 0;
  while (count < most && ids[count] === history[count]) count += 1;
  return count;
}

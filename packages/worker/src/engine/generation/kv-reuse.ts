/**
 * Keys and values that are not computed twice: of sequences that were switched out or given back,
 * of prompts that begin alike, of the samples of one prompt. Answers rows that hold what is known
 * of a sequence; the last token of its history is always left to be fed, since it gives the logits.
 */
import type { DecoderRows, KvRow, SavedKv } from '../rows/decoder-rows';
import type { PrefixCache } from './prefix-cache';
import type { SavedContexts } from './saved-contexts';
import type { Feeding, Sequence } from './sequence';
import { contextKey, promptKey } from './sequence';
import type { EngineRequest } from '../engine';
import { ENGINE_LIMITS } from '../limits';

export interface KvReuseParts {
  readonly rows: DecoderRows;
  readonly contexts: SavedContexts;
  readonly prefixes: PrefixCache;
  readonly feeding: Feeding;
  /** Prefixes are shared by all tenants. */
  readonly sharesPrefixes: boolean;
}

interface Known {
  readonly saved: SavedKv;
  readonly tokenCount: number;
  /** Read for another prompt that begins alike, not for this sequence's own. */
  readonly isPrefix: boolean;
}

export class KvReuse {
  reusedTokens = 0;

  constructor(private readonly parts: KvReuseParts) {}

  /** A row with as much of the sequence as is known; an empty one where nothing is. */
  async open(sequence: Sequence): Promise<KvRow> {
    const { contexts, rows } = this.parts;
    const known = this.known(sequence);
    const row = await (known === undefined
      ? rows.open()
      : rows.restore(known.saved, known.tokenCount));
    // Only now: where no row could be opened, the sequence comes back for it.
    contexts.drop(sequence.key);
    this.reusedTokens += known?.tokenCount ?? 0;
    const { promptCount } = sequence.generation;
    const cached = known?.isPrefix === true ? Math.min(known.tokenCount, promptCount) : 0;
    // A sequence that gets a row again read its prompt itself, as far as it was not known then.
    sequence.cachedTokens ??= cached;
    return row;
  }

  /** Keeps what a sequence computed that loses its row. */
  async switchOut(sequence: Sequence): Promise<void> {
    const { contexts } = this.parts;
    const saved = await this.trySave(sequence);
    if (saved === undefined) return;
    const ids = sequence.history.slice(0, saved.tokenCount);
    contexts.keep(sequence.key, { saved, ids, urgency: sequence.urgency, isGivenBack: false });
  }

  /** Keeps a prompt that was just read, for those that begin alike and for its other samples. */
  async keepPrompt(sequence: Sequence, isShared: boolean): Promise<void> {
    const { contexts, prefixes } = this.parts;
    const ids = heldIds(sequence);
    const isNew = this.isPrefix(sequence, ids) && this.unknownTokens(sequence, ids) > 1;
    if (!isNew && !isShared) return;
    const saved = await this.trySave(sequence);
    if (saved === undefined) return;
    if (isNew) prefixes.insert(this.scopeOf(sequence.request), ids, saved);
    if (!isShared) return;
    const { urgency } = sequence;
    contexts.keep(promptKey(sequence.request), { saved, ids, urgency, isGivenBack: false });
  }

  /** Keeps prompt and answer of a generation that ended: the next turn of a chat begins with them. */
  async keepAnswer(sequence: Sequence): Promise<void> {
    const ids = heldIds(sequence);
    if (!this.isPrefix(sequence, ids)) return;
    if (this.unknownTokens(sequence, ids) < ENGINE_LIMITS.minPrefixTokens) return;
    const saved = await this.trySave(sequence);
    if (saved === undefined) return;
    this.parts.prefixes.insert(this.scopeOf(sequence.request), ids, saved);
  }

  /** Forgets what no one of an answered request will ask for again. */
  drop(request: EngineRequest, sampleCount: number): void {
    const { contexts } = this.parts;
    for (let index = 0; index < sampleCount; index += 1) {
      contexts.dropWaiting(contextKey(request, index));
    }
    contexts.dropWaiting(promptKey(request));
  }

  /** What can't be saved is computed again, which no request must fail for. */
  private async trySave({ row }: Sequence): Promise<SavedKv | undefined> {
    const { rows } = this.parts;
    if (!rows.isSavable || row === undefined || row.tokenCount === 0) return undefined;
    try {
      return await rows.save(row);
    } catch {
      return undefined;
    }
  }

  /** Whether the rest of a prompt may be fed apart from its beginning. */
  private get sharesParts(): boolean {
    return this.parts.rows.takesParts && this.parts.feeding !== 'whole';
  }

  /** Whether prompts that begin with these tokens may begin with what their row holds. */
  private isPrefix({ generation }: Sequence, ids: readonly number[]): boolean {
    const { feeding, prefixes, rows } = this.parts;
    if (!this.sharesParts || ids.length < ENGINE_LIMITS.minPrefixTokens) return false;
    if (ids.length * rows.bytesPerToken > prefixes.maxBytes) return false;
    // Tokens of an answer were not fed as those of a prompt are.
    return feeding === 'freely' || ids.length === generation.promptCount;
  }

  private known(sequence: Sequence): Known | undefined {
    const { contexts, prefixes } = this.parts;
    const { generation, history, request } = sequence;
    const own = contexts.find(sequence.key) ?? contexts.find(promptKey(request));
    if (own !== undefined) {
      const tokenCount = this.usable(sequence, commonLength(own.ids, history));
      const isUsable = this.sharesParts || tokenCount === history.length - 1;
      if (tokenCount > 0 && isUsable) return { saved: own.saved, tokenCount, isPrefix: false };
    }
    if (!this.sharesParts) return undefined;
    const isFree = this.parts.feeding === 'freely';
    const ids = isFree ? history : history.slice(0, generation.promptCount);
    const found = prefixes.find(this.scopeOf(request), ids);
    if (found === undefined) return undefined;
    const tokenCount = this.usable(sequence, found.tokenCount);
    return tokenCount === 0 ? undefined : { saved: found.saved, tokenCount, isPrefix: true };
  }

  /** Of tokens that are known: the rest of a prompt must be fed as it would be without them. */
  private usable({ generation }: Sequence, tokenCount: number): number {
    const { feeding } = this.parts;
    if (feeding === 'freely' || tokenCount >= generation.promptCount) return tokenCount;
    return feeding === 'whole' ? 0 : tokenCount - (tokenCount % ENGINE_LIMITS.alikePartTokens);
  }

  /** Of these tokens: one more copy of what is there would cost as much as the hit saves. */
  private unknownTokens(sequence: Sequence, ids: readonly number[]): number {
    const found = this.parts.prefixes.find(this.scopeOf(sequence.request), ids);
    return ids.length - (found?.tokenCount ?? 0);
  }

  private scopeOf(request: EngineRequest): string {
    return this.parts.sharesPrefixes ? '' : request.tenant;
  }
}

/** The tokens whose keys and values the sequence's row holds. */
function heldIds(sequence: Sequence): readonly number[] {
  return sequence.history.slice(0, sequence.heldTokens);
}

/** Tokens that the two begin with alike, without the last one of the history. */
function commonLength(ids: readonly number[], history: readonly number[]): number {
  const most = Math.min(ids.length, history.length - 1);
  let count = 0;
  while (count < most && ids[count] === history[count]) count += 1;
  return count;
}

/**
 * Keys and values of sequences without a row: of those that wait here, and of those that were given
 * back and may return. Bounded; what was given back first goes first, then the least urgent. One
 * that is gone costs its sequence a prefill, nothing else.
 */
import type { Urgency } from '@llmos/base';
import { compareUrgency } from '@llmos/base';
import type { SavedKv } from '../rows/decoder-rows';

export interface SavedContext {
  readonly saved: SavedKv;
  /** The tokens that it holds, or begins with. */
  readonly ids: readonly number[];
  readonly urgency: Urgency;
  /** Its sequence left this thread. */
  readonly isGivenBack: boolean;
}

export class SavedContexts {
  bytes = 0;
  /** In the order in which they were kept. */
  private readonly contexts = new Map<string, SavedContext>();

  constructor(private readonly maxBytes: number) {}

  get count(): number {
    return this.contexts.size;
  }

  /** Takes the place of an earlier one of that key. The new one may be the one that goes. */
  keep(key: string, context: SavedContext): void {
    this.drop(key);
    this.contexts.set(key, context);
    this.bytes += context.saved.bytes;
    while (this.bytes > this.maxBytes) this.dropLeast();
  }

  find(key: string): SavedContext | undefined {
    return this.contexts.get(key);
  }

  drop(key: string): void {
    const context = this.contexts.get(key);
    if (context === undefined) return;
    this.contexts.delete(key);
    this.bytes -= context.saved.bytes;
  }

  /** Drops what a sequence of this thread waits with; what was given back stays. */
  dropWaiting(key: string): void {
    if (this.contexts.get(key)?.isGivenBack === false) this.drop(key);
  }

  giveBack(key: string): void {
    const context = this.contexts.get(key);
    if (context !== undefined) this.keep(key, { ...context, isGivenBack: true });
  }

  private dropLeast(): void {
    let least: { readonly key: string; readonly context: SavedContext } | undefined;
    for (const [key, context] of this.contexts) {
      if (context.isGivenBack) {
        this.drop(key);
        return;
      }
      if (least === undefined || compareUrgency(context.urgency, least.context.urgency) > 0) {
        least = { key, context };
      }
    }
    if (least !== undefined) this.drop(least.key);
  }
}

/**
 * The ids of tasks that this kernel has just stored for `submit` and `call`.
 *
 * Between a task's storing and its intake neither the core nor the results know of it. What is
 * remembered stays true for as long as it is remembered: a task is held at most `rememberMs`, and
 * its result is kept longer than that.
 */
import type { TenantTask } from '@llmos/base';
import { RecentMap } from '@llmos/base';

interface Stored {
  readonly sequence: number;
  readonly atMs: number;
}

export class StoredIds {
  private readonly stored: RecentMap<string, Stored>;

  constructor(
    private readonly options: {
      readonly maxIds: number;
      readonly rememberMs: number;
      readonly nowMs: () => number;
    },
  ) {
    this.stored = new RecentMap(options.maxIds);
  }

  /**
   * Notes that a message of this id was stored; whether an earlier one was.
   *
   * The stream's order decides, in which its acknowledgements arrive: of any number of messages at
   * once exactly one is the first.
   */
  note(of: TenantTask, sequence: number): { readonly isRepeated: boolean } {
    const key = `${of.tenant}/${of.task}`;
    const atMs = this.options.nowMs();
    const known = this.stored.get(key);
    const isKnown = known !== undefined && atMs - known.atMs < this.options.rememberMs;
    if (isKnown && known.sequence <= sequence) return { isRepeated: known.sequence < sequence };
    this.stored.set(key, { sequence, atMs });
    return { isRepeated: false };
  }
}

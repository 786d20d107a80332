/**
 * The ids of tasks that this kernel has just stored for `submit` and `call`.
 *
 * Between a task's storing and its intake neither the core nor the results know of it. What is
 * remembered stays true for as long as it is remembered: a task is held no longer than its result
 * is kept at least.
 */
import type { TaskIdentity, TenantTask } from '@llmos/base';
import { RecentMap, WIRE_LIMITS, isShortLived } from '@llmos/base';

interface Stored {
  readonly sequence: number;
  readonly untilMs: number;
  readonly identity: TaskIdentity;
}

export class StoredIds {
  private readonly stored: RecentMap<string, Stored>;

  constructor(
    private readonly options: {
      readonly maxIds: number;
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
  note(
    of: TenantTask,
    stored: Omit<Stored, 'untilMs'> & { readonly keepMs: number | undefined },
  ): { readonly isRepeated: boolean } {
    const known = this.find(of);
    const { sequence } = stored;
    if (known !== undefined && known.sequence <= sequence) {
      return { isRepeated: known.sequence < sequence };
    }
    const { identity, keepMs } = stored;
    const rememberMs = isShortLived(keepMs) ? WIRE_LIMITS.answerKeepMs : WIRE_LIMITS.maxTimeoutMs;
    const untilMs = this.options.nowMs() + rememberMs;
    this.stored.set(nameOf(of), { sequence, identity, untilMs });
    return { isRepeated: false };
  }

  /** What the id stands for, where this kernel has stored a task of it not long ago. */
  identityOf(of: TenantTask): TaskIdentity | undefined {
    return this.find(of)?.identity;
  }

  private find(of: TenantTask): Stored | undefined {
    const known = this.stored.get(nameOf(of));
    return known !== undefined && this.options.nowMs() < known.untilMs ? known : undefined;
  }
}

function nameOf(of: TenantTask): string {
  return `${of.tenant}/${of.task}`;
}

/** Refuses the commands of a leader that was replaced: epochs only rise. */
import type { Epoch } from '@llmos/base';
import { asEpoch } from '@llmos/base';

export type EpochVerdict = 'current' | 'newer' | 'stale';

export class EpochGuard {
  private highest = asEpoch(0);

  get epoch(): Epoch {
    return this.highest;
  }

  /** Remembers a newer epoch; `stale` must not be obeyed. */
  check(epoch: number): EpochVerdict {
    if (!Number.isSafeInteger(epoch) || epoch < this.highest) return 'stale';
    if (epoch === this.highest) return 'current';
    this.highest = asEpoch(epoch);
    return 'newer';
  }
}

/**
 * Whether the bodies of one stream's results come along with the word that they are committed.
 *
 * A kernel hears of every result: it counts what tenants have stored, and knows who waits for one.
 * The body is of use to it only where somebody waits here. Brought along, it saves a read for each
 * result that is waited for: headers alone for everybody took a seventh of the throughput of calls
 * and a fifth of a lone caller's latency (docs/decisions, 3). But then those of all other tasks
 * come too, to every kernel. So bodies travel while what that saves outweighs what comes in vain: a
 * kernel that nobody calls has none, and one whose calls are most of what ends reads none apart.
 *
 * Sole writer of its counts. The latest results count most. Each change makes a consumer anew, so
 * what is in between changes nothing, and a choice stays for a while: where calls and published
 * tasks take turns, one follows the longer run of either and not each burst.
 */
import type { Clock } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';

export class BodyTravel {
  private heard = 0;
  private heardBytes = 0;
  private taken = 0;
  private takenBytes = 0;
  private isWanted = false;
  private changedMs = -Infinity;

  constructor(private readonly clock: Pick<Clock, 'nowMs'>) {}

  /** A result was committed. */
  noteHeard(bodyBytes: number): void {
    this.heard += 1;
    this.heardBytes += bodyBytes;
    if (this.heard >= EDGE_LIMITS.bodyTravelWindow) this.halve();
  }

  /** Somebody waited here for one that was heard of. */
  noteTaken(bodyBytes: number): void {
    this.taken += 1;
    this.takenBytes += bodyBytes;
  }

  wantsBodies(): boolean {
    const savedBytes = this.taken * EDGE_LIMITS.readWorthBytes;
    const vainBytes = Math.max(0, this.heardBytes - this.takenBytes);
    const least = this.isWanted ? vainBytes / 2 : vainBytes * 2;
    const isWanted = this.taken > 0 && savedBytes >= least;
    const nowMs = this.clock.nowMs();
    if (isWanted === this.isWanted || nowMs - this.changedMs < EDGE_LIMITS.bodyTravelDwellMs) {
      return this.isWanted;
    }
    this.changedMs = nowMs;
    this.isWanted = isWanted;
    return isWanted;
  }

  private halve(): void {
    this.heard /= 2;
    this.heardBytes /= 2;
    this.taken /= 2;
    this.takenBytes /= 2;
    // Nobody has waited for a long while.
    if (this.taken < 0.5) this.taken = this.takenBytes = 0;
  }
}

/** What `/readyz` of a kernel says: whether it is ready, and if not, why. Pure. */
import type { ClockReading, DiskWord } from '@llmos/base';

export interface Readiness {
  readonly isReady: boolean;
  /** For people: what it is, or what it waits for. */
  readonly state: string;
  /** Why it is not ready, where that is known. */
  readonly reason?: string;
  /** A clock that differs makes no kernel unready: it ends nothing by it. */
  readonly clock: ClockReading;
  /** Of the NATS server, where whoever started both told it. */
  readonly disk?: Pick<DiskWord, 'level' | 'freeBytes'>;
}

export interface ReadinessFacts {
  readonly isStopping: boolean;
  readonly diskLevel: DiskWord['level'] | undefined;
  readonly isConnected: boolean;
  readonly hasLease: boolean;
  /** It sees a leader, or has seen one, and knows the registry. */
  readonly isWatching: boolean;
  readonly isOtherLeading: boolean;
  /** Why its own last leadership failed. */
  readonly failure: string | undefined;
  /** Its leadership has begun. */
  readonly isRunning: boolean;
  /** There is work and nothing happens. */
  readonly isSlow: boolean;
  /** Messages that are gone from the stores. */
  readonly lost: string | undefined;
  readonly hasResultRoom: boolean;
}

type Verdict = Pick<Readiness, 'isReady' | 'state' | 'reason'>;

/** A follower is ready when it watches; a leader while its work makes progress. */
export function judgeReadiness(facts: ReadinessFacts): Verdict {
  const unready = (state: string, reason?: string): Verdict =>
    reason === undefined ? { isReady: false, state } : { isReady: false, state, reason };
  if (facts.isStopping) return unready('stopping');
  // Whatever else shows follows from it.
  if (facts.diskLevel === 'full') return unready('disk-full');
  if (!facts.isConnected) return unready('disconnected');
  if (!facts.hasLease) {
    // One that could not lead is of use while another does.
    const hasFailed = facts.failure !== undefined && !facts.isOtherLeading;
    if (hasFailed) return unready('leadership-failed', facts.failure);
    return facts.isWatching ? { isReady: true, state: 'following' } : unready('starting');
  }
  if (!facts.isRunning) return unready('taking-over', facts.failure);
  if (facts.isSlow) return unready('no-progress');
  if (facts.lost !== undefined) return unready('messages-lost', facts.lost);
  // Every call and submit is refused, and nothing that was published is taken in.
  if (!facts.hasResultRoom) return unready('results-full');
  return { isReady: true, state: 'leading' };
}

/**
 * Judges our lease: pure, by the observer's own monotonic clock.
 *
 * Leader and observers never compare clocks. The leader counts its lease from before it sent the
 * write, an observer from after it saw it, so the leader always ends first.
 * L1: at most one kernel believes that it leads. L2: the epoch is the revision of the granting
 * write and every renewal carries it. L3: a record that no kernel can have written changes no
 * leadership: the leader writes over it, and observers go on counting its silence.
 * L4: a lease that ran out is lapsed: nothing is done in its name. A write that then succeeds on
 * our own last revision proves that nobody led in between, and the same leadership goes on: a
 * cluster of servers that chooses new leaders takes longer than a lease.
 */
import type { Epoch, KernelId } from '@llmos/base';
import { asEpoch } from '@llmos/base';
import type { StoredLeader } from '../ports/leadership-store';

export interface LeaseTiming {
  readonly leaseMs: number;
}

export type LeaseState =
  | {
      readonly kind: 'observing';
      /** undefined: the store has no record, or it was not read yet. */
      readonly seen: StoredLeader | undefined;
      /** When this revision was first seen. */
      readonly seenAtMs: number;
      readonly readAtMs: number;
      /** When the store answered a reading last. */
      readonly answeredAtMs: number;
      /** After giving a lease up, others go first. */
      readonly notBeforeMs: number;
      readonly wasRead: boolean;
      /** Set where a record of our own id is of a leadership that is over. */
      readonly predecessor: KernelId | undefined;
    }
  | {
      readonly kind: 'lapsed';
      readonly epoch: Epoch;
      readonly revision: number;
      readonly renewAtMs: number;
      /** Then it is over: what waits for it must not grow without bound. */
      readonly endsAtMs: number;
    }
  | {
      readonly kind: 'leading';
      readonly epoch: Epoch;
      readonly revision: number;
      readonly validUntilMs: number;
      readonly renewAtMs: number;
    };

export type LeaseStep =
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'read' }
  | { readonly kind: 'take'; readonly expectedRevision: number }
  | { readonly kind: 'renew'; readonly expectedRevision: number }
  | { readonly kind: 'lapse' }
  | { readonly kind: 'step-down' };

export type HeldLease = Extract<LeaseState, { kind: 'leading' | 'lapsed' }>;

/**
 * @param of.predecessor our own id at the start of the program: a kernel that is started again
 * under its id need not wait for its own lease to end. Two kernels must not share an id.
 */
export function startObserving(
  nowMs: number,
  of: { readonly notBeforeMs?: number; readonly predecessor?: KernelId } = {},
): LeaseState {
  const { notBeforeMs = nowMs, predecessor } = of;
  return {
    kind: 'observing',
    seen: undefined,
    seenAtMs: nowMs,
    readAtMs: nowMs,
    answeredAtMs: nowMs,
    notBeforeMs,
    wasRead: false,
    predecessor,
  };
}

/**
 * A reading of the store; only a new revision of a kernel's counts as a sign of life. Silence
 * counts only while the store answers: where it did not, nobody could renew, and the leader has a
 * moment to go first.
 */
export function applyReading(
  state: Extract<LeaseState, { kind: 'observing' }>,
  stored: StoredLeader | undefined,
  at: LeaseTiming & { readonly nowMs: number },
): LeaseState {
  const isForeign = stored !== undefined && stored.record === undefined;
  const isChanged = stored?.revision !== state.seen?.revision;
  const isNews = (isChanged && !isForeign) || !state.wasRead;
  const freshMs = at.nowMs - observedLeaseMs(at.leaseMs) + at.leaseMs / 2;
  const silentFromMs = isReadingOld(state, at) ? Math.max(state.seenAtMs, freshMs) : state.seenAtMs;
  return {
    ...state,
    seen: stored,
    seenAtMs: isNews ? at.nowMs : silentFromMs,
    answeredAtMs: at.nowMs,
    readAtMs: at.nowMs + at.leaseMs / 10,
    wasRead: true,
  };
}

/** Readings come ten times a lease. */
function isReadingOld(
  state: Extract<LeaseState, { kind: 'observing' }>,
  at: LeaseTiming & { readonly nowMs: number },
): boolean {
  return at.nowMs - state.answeredAtMs > at.leaseMs / 2;
}

/** A tenth more than the leader allows itself: clocks of two machines don't run equally fast. */
function observedLeaseMs(leaseMs: number): number {
  return leaseMs * 1.1;
}

/** @param sentAtMs before the write was sent, so that our view ends before any observer's. */
export function applyGrant(revision: number, at: LeaseTiming & { sentAtMs: number }): LeaseState {
  return {
    kind: 'leading',
    epoch: asEpoch(revision),
    revision,
    validUntilMs: at.sentAtMs + at.leaseMs,
    renewAtMs: at.sentAtMs + at.leaseMs / 3,
  };
}

export function applyRenewal(
  state: HeldLease,
  revision: number,
  at: LeaseTiming & { sentAtMs: number },
): LeaseState {
  return { ...applyGrant(revision, at), epoch: state.epoch } as LeaseState;
}

/** Our lease ran out (L4); the next write tells whether it was taken. */
export function applyLapse(
  state: Extract<LeaseState, { kind: 'leading' }>,
  at: { readonly nowMs: number; readonly lapseMs: number },
): LeaseState {
  const { epoch, revision } = state;
  const { nowMs, lapseMs } = at;
  return { kind: 'lapsed', epoch, revision, renewAtMs: nowMs, endsAtMs: nowMs + lapseMs };
}

/** The write failed or its answer was lost: try again soon, on the old validity. */
export function applyRenewalFailure(
  state: HeldLease,
  at: LeaseTiming & { nowMs: number },
): LeaseState {
  return { ...state, renewAtMs: at.nowMs + at.leaseMs / 10 };
}

/**
 * Someone wrote before us. If it was our own write whose answer was lost, go on from there; epochs
 * are unique, so the record tells. If it was no kernel (L3), write over it: while our lease holds
 * nobody can have taken it in between; once it has lapsed, somebody may have.
 */
export function judgeConflict(
  state: HeldLease,
  stored: StoredLeader | undefined,
  at: { readonly nowMs: number; readonly kernelId: KernelId },
): LeaseState {
  const isOurs =
    stored !== undefined &&
    ((stored.record === undefined && state.kind === 'leading') ||
      (stored.record?.kernelId === at.kernelId &&
        stored.record.epoch === state.epoch &&
        !stored.record.isReleased));
  return isOurs
    ? { ...state, revision: stored.revision, renewAtMs: at.nowMs }
    : startObserving(at.nowMs);
}

export function isLeaseValid(state: LeaseState, nowMs: number): boolean {
  return state.kind === 'leading' && nowMs < state.validUntilMs;
}

export function chooseLeaseStep(state: LeaseState, at: LeaseTiming & { nowMs: number }): LeaseStep {
  const { nowMs } = at;
  if (state.kind === 'leading') {
    if (nowMs >= state.validUntilMs) return { kind: 'lapse' };
    if (nowMs >= state.renewAtMs) return { kind: 'renew', expectedRevision: state.revision };
    return { kind: 'wait', untilMs: Math.min(state.renewAtMs, state.validUntilMs) };
  }
  if (state.kind === 'lapsed') {
    if (nowMs >= state.endsAtMs) return { kind: 'step-down' };
    if (nowMs >= state.renewAtMs) return { kind: 'renew', expectedRevision: state.revision };
    return { kind: 'wait', untilMs: Math.min(state.renewAtMs, state.endsAtMs) };
  }
  if (!state.wasRead) return { kind: 'read' };
  const freeAtMs = Math.max(state.notBeforeMs, freeFromMs(state, at.leaseMs));
  if (nowMs >= freeAtMs && isReadingOld(state, at)) return { kind: 'read' };
  if (nowMs >= freeAtMs) return { kind: 'take', expectedRevision: state.seen?.revision ?? 0 };
  if (nowMs >= state.readAtMs) return { kind: 'read' };
  return { kind: 'wait', untilMs: Math.min(freeAtMs, state.readAtMs) };
}

function freeFromMs(state: Extract<LeaseState, { kind: 'observing' }>, leaseMs: number): number {
  const { seen, predecessor } = state;
  if (seen === undefined || seen.record?.isReleased === true) return state.seenAtMs;
  if (predecessor !== undefined && seen.record?.kernelId === predecessor) return state.seenAtMs;
  return state.seenAtMs + observedLeaseMs(leaseMs);
}

/**
 * Judges our lease: pure, by the observer's own monotonic clock.
 *
 * Leader and observers never compare clocks. The leader counts its lease from before it sent the
 * write, an observer from after it saw it, so the leader always ends first.
 * L1: at most one kernel believes that it leads. L2: the epoch is the revision of the granting
 * write and every renewal carries it. L3: a record that no kernel can have written changes no
 * leadership: the leader writes over it, and observers go on counting its silence.
 */
import type { Epoch, KernelId } from '@llmos/base';
import { asEpoch } from '@llmos/base';
import type { StoredLeader } from './ports/leadership-store';

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
      /** After giving a lease up, others go first. */
      readonly notBeforeMs: number;
      readonly wasRead: boolean;
      /** Set where we have just started: a record of the same id is of a program that is gone. */
      readonly predecessor: KernelId | undefined;
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
  | { readonly kind: 'step-down' };

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
    notBeforeMs,
    wasRead: false,
    predecessor,
  };
}

/** A reading of the store; only a new revision of a kernel's counts as a sign of life. */
export function applyReading(
  state: Extract<LeaseState, { kind: 'observing' }>,
  stored: StoredLeader | undefined,
  at: LeaseTiming & { readonly nowMs: number },
): LeaseState {
  const isForeign = stored !== undefined && stored.record === undefined;
  const isChanged = stored?.revision !== state.seen?.revision;
  const isNews = (isChanged && !isForeign) || !state.wasRead;
  return {
    ...state,
    seen: stored,
    seenAtMs: isNews ? at.nowMs : state.seenAtMs,
    readAtMs: at.nowMs + at.leaseMs / 10,
    wasRead: true,
  };
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
  state: Extract<LeaseState, { kind: 'leading' }>,
  revision: number,
  at: LeaseTiming & { sentAtMs: number },
): LeaseState {
  return { ...applyGrant(revision, at), epoch: state.epoch } as LeaseState;
}

/** The write failed or its answer was lost: try again soon, on the old validity. */
export function applyRenewalFailure(
  state: Extract<LeaseState, { kind: 'leading' }>,
  at: LeaseTiming & { nowMs: number },
): LeaseState {
  return { ...state, renewAtMs: at.nowMs + at.leaseMs / 10 };
}

/**
 * Someone wrote before us. If it was our own write whose answer was lost, go on from there; epochs
 * are unique, so the record tells. If it was no kernel (L3), write over it: while our lease holds
 * nobody can have taken it in between.
 */
export function judgeConflict(
  state: Extract<LeaseState, { kind: 'leading' }>,
  stored: StoredLeader | undefined,
  at: { readonly nowMs: number; readonly kernelId: KernelId },
): LeaseState {
  const isOurs =
    stored !== undefined &&
    (stored.record === undefined ||
      (stored.record.kernelId === at.kernelId &&
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
    if (nowMs >= state.validUntilMs) return { kind: 'step-down' };
    if (nowMs >= state.renewAtMs) return { kind: 'renew', expectedRevision: state.revision };
    return { kind: 'wait', untilMs: Math.min(state.renewAtMs, state.validUntilMs) };
  }
  if (!state.wasRead) return { kind: 'read' };
  const freeAtMs = Math.max(state.notBeforeMs, freeFromMs(state, at.leaseMs));
  if (nowMs >= freeAtMs) return { kind: 'take', expectedRevision: state.seen?.revision ?? 0 };
  if (nowMs >= state.readAtMs) return { kind: 'read' };
  return { kind: 'wait', untilMs: Math.min(freeAtMs, state.readAtMs) };
}

function freeFromMs(state: Extract<LeaseState, { kind: 'observing' }>, leaseMs: number): number {
  const { seen, predecessor } = state;
  if (seen === undefined || seen.record?.isReleased === true) return state.seenAtMs;
  if (predecessor !== undefined && seen.record?.kernelId === predecessor) return state.seenAtMs;
  // A tenth more than the leader allows itself: clocks of two machines don't run equally fast.
  return state.seenAtMs + leaseMs * 1.1;
}

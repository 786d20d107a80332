import type { KernelId, LeaderRecord } from '@llmos/base';
import type { HeldLease, LeaseState } from './leadership';
import {
  applyGrant,
  applyLapse,
  applyReading,
  applyRenewal,
  applyRenewalFailure,
  chooseLeaseStep,
  isLeaseValid,
  judgeConflict,
  startObserving,
} from './leadership';
import type { StoredLeader } from '../ports/leadership-store';

const leaseMs = 1_000;

function stored(revision: number, more: Partial<LeaderRecord> = {}): StoredLeader {
  const record = {
    kernelId: 'other' as KernelId,
    epoch: 0,
    httpUrl: '',
    grpcUrl: '',
    isReleased: false,
    ...more,
  };
  return { record, revision };
}

type Observing = Extract<LeaseState, { kind: 'observing' }>;
type Leading = Extract<LeaseState, { kind: 'leading' }>;

function observe(state: LeaseState, leader: StoredLeader | undefined, nowMs: number): Observing {
  return applyReading(state as Observing, leader, { nowMs, leaseMs }) as Observing;
}

function step(state: LeaseState, nowMs: number): string {
  return chooseLeaseStep(state, { nowMs, leaseMs }).kind;
}

it('reads before it takes, and takes at once where nobody leads', () => {
  const fresh = startObserving(0);
  expect(step(fresh, 0)).toBe('read');
  const chosen = chooseLeaseStep(observe(fresh, undefined, 5), { nowMs: 5, leaseMs });
  expect(chosen).toEqual({ kind: 'take', expectedRevision: 0 });
});

it('takes a released lease at once, expecting exactly the revision it saw', () => {
  const seen = observe(startObserving(0), stored(7, { isReleased: true }), 5);
  const chosen = chooseLeaseStep(seen, { nowMs: 5, leaseMs });
  expect(chosen).toEqual({ kind: 'take', expectedRevision: 7 });
});

it('takes at once, after a restart, the lease that its own predecessor left behind', () => {
  const predecessor = 'me' as KernelId;
  const own = observe(startObserving(0, { predecessor }), stored(7, { kernelId: predecessor }), 5);
  const chosen = chooseLeaseStep(own, { nowMs: 5, leaseMs });
  expect(chosen).toEqual({ kind: 'take', expectedRevision: 7 });
  expect(step(observe(startObserving(0, { predecessor }), stored(7), 5), 5)).not.toBe('take');
});

it('waits a lease of its own clock after the last new revision, not after the last reading', () => {
  let state = observe(startObserving(0), stored(7), 0);
  state = observe(state, stored(7), 450);
  state = observe(state, stored(7), 900);
  expect(step(state, 1_050)).not.toBe('take');
  expect(step(state, 1_101)).toBe('take');
  state = observe(state, stored(8), 1_000);
  for (const nowMs of [1_400, 1_800]) state = observe(state, stored(8), nowMs);
  expect(step(state, 2_000)).not.toBe('take');
  expect(step(state, 2_101)).toBe('take');
});

it('ends the leader’s own view before any observer’s', () => {
  const sentAtMs = 100;
  const leader = applyGrant(9, { sentAtMs, leaseMs });
  const observer = observe(startObserving(0), stored(9), sentAtMs);
  for (let nowMs = sentAtMs; nowMs < sentAtMs + 3 * leaseMs; nowMs += 1) {
    const isTaken = step(observer, nowMs) === 'take';
    expect(isTaken && isLeaseValid(leader, nowMs)).toBe(false);
  }
});

it('renews after a third of the lease, and lapses where it could not', () => {
  let state: LeaseState = applyGrant(9, { sentAtMs: 0, leaseMs });
  expect(step(state, 300)).toBe('wait');
  expect(step(state, 334)).toBe('renew');
  state = applyRenewalFailure(state as Leading, { nowMs: 400, leaseMs });
  expect(step(state, 450)).toBe('wait');
  expect(step(state, 500)).toBe('renew');
  expect(step(state, 1_000)).toBe('lapse');
  state = applyLapse(state as Leading, { nowMs: 1_000, lapseMs: 5_000 });
  expect(isLeaseValid(state, 1_000)).toBe(false);
  expect(chooseLeaseStep(state, { nowMs: 1_000, leaseMs })).toEqual({
    kind: 'renew',
    expectedRevision: 9,
  });
  state = applyRenewalFailure(state as HeldLease, { nowMs: 1_000, leaseMs });
  expect(step(state, 1_050)).toBe('wait');
  expect(step(state, 6_000)).toBe('step-down');
  const regained = applyRenewal(state as HeldLease, 10, { sentAtMs: 2_000, leaseMs });
  expect(regained).toMatchObject({ kind: 'leading', epoch: 9, revision: 10, validUntilMs: 3_000 });
});

it('counts silence only while the store answers, and lets the leader go first then', () => {
  let state = observe(startObserving(0), stored(7), 0);
  // Nothing was read for three leases: what is known is old.
  expect(step(state, 3_000)).toBe('read');
  state = observe(state, stored(7), 3_000);
  expect(step(state, 3_050)).not.toBe('take');
  for (const nowMs of [3_100, 3_200, 3_300, 3_400, 3_450]) state = observe(state, stored(7), nowMs);
  expect(step(state, 3_490)).not.toBe('take');
  expect(step(state, 3_501)).toBe('take');
  // The leader was back.
  state = observe(state, stored(8), 3_501);
  expect(step(state, 4_600)).not.toBe('take');
});

it('ends a lapsed leadership over a record that no kernel can have written', () => {
  const kernelId = 'me' as KernelId;
  const granted = applyGrant(9, { sentAtMs: 0, leaseMs }) as Leading;
  const lapsed = applyLapse(granted, { nowMs: 1_000, lapseMs: 5_000 }) as HeldLease;
  const at = { nowMs: 1_500, kernelId };
  // Another kernel may have led before it.
  expect(judgeConflict(lapsed, { record: undefined, revision: 12 }, at).kind).toBe('observing');
  expect(judgeConflict(lapsed, stored(11, { kernelId, epoch: 9 }), at).kind).toBe('lapsed');
});

it('keeps the epoch of the granting write through renewals', () => {
  const granted = applyGrant(9, { sentAtMs: 0, leaseMs }) as Leading;
  const renewed = applyRenewal(granted, 12, { sentAtMs: 400, leaseMs }) as Leading;
  expect([renewed.epoch, renewed.revision, renewed.validUntilMs]).toEqual([9, 12, 1_400]);
});

it('recognises its own renewal whose answer was lost, and nobody else’s', () => {
  const kernelId = 'me' as KernelId;
  const granted = applyGrant(9, { sentAtMs: 0, leaseMs }) as Leading;
  const at = { nowMs: 500, kernelId };
  const own = judgeConflict(granted, stored(11, { kernelId, epoch: 9 }), at) as Leading;
  expect([own.kind, own.revision, own.validUntilMs]).toEqual(['leading', 11, 1_000]);
  expect(judgeConflict(granted, stored(11, { epoch: 9 }), at).kind).toBe('observing');
  expect(judgeConflict(granted, stored(11, { kernelId, epoch: 0 }), at).kind).toBe('observing');
  expect(judgeConflict(granted, undefined, at).kind).toBe('observing');
});

it('goes on leading over a record that no kernel can have written', () => {
  const kernelId = 'me' as KernelId;
  const granted = applyGrant(9, { sentAtMs: 0, leaseMs }) as Leading;
  const foreign: StoredLeader = { record: undefined, revision: 12 };
  const judged = judgeConflict(granted, foreign, { nowMs: 500, kernelId });
  expect(judged).toMatchObject({ kind: 'leading', epoch: 9, revision: 12, validUntilMs: 1_000 });
  expect(chooseLeaseStep(judged, { nowMs: 500, leaseMs })).toEqual({
    kind: 'renew',
    expectedRevision: 12,
  });
});

it('takes such a record for no sign of life, and for no release of the lease', () => {
  const foreign = (revision: number): StoredLeader => ({ record: undefined, revision });
  let state = observe(startObserving(0), stored(7), 0);
  state = observe(state, foreign(8), 500);
  expect(step(state, 1_050)).not.toBe('take');
  state = observe(state, foreign(9), 1_000);
  const chosen = chooseLeaseStep(state, { nowMs: 1_101, leaseMs });
  expect(chosen).toEqual({ kind: 'take', expectedRevision: 9 });
  expect(step(observe(startObserving(0), foreign(9), 0), 1_050)).not.toBe('take');
});

it('lets others go first after it gave the lease up', () => {
  const released = stored(9, { isReleased: true });
  let state = observe(startObserving(0, { notBeforeMs: 5_000 }), released, 10);
  expect(step(state, 4_000)).not.toBe('take');
  state = observe(state, released, 4_900);
  expect(step(state, 5_000)).toBe('take');
});

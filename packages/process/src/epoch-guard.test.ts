import { asEpoch } from '@llmos/base';
import { EpochGuard } from './epoch-guard';

const LOOK_MS = 100;

it('believes an epoch only once the record has named it, and then without another look', () => {
  const guard = new EpochGuard(LOOK_MS);
  expect(guard.judge(7)).toBe('unknown');
  expect(guard.learn(asEpoch(7), 1)).toBe(true);
  expect([guard.settle(7), guard.judge(7), guard.epoch]).toEqual(['current', 'current', 7]);
});

it('is not moved by an epoch that no leader had, and looks no more often for it', () => {
  const guard = new EpochGuard(LOOK_MS);
  guard.learn(asEpoch(7), 0);
  let looks = 0;
  for (let nowMs = 1; nowMs <= 1_000; nowMs += 1) {
    expect(guard.judge(Number.MAX_SAFE_INTEGER)).toBe('unknown');
    if (guard.lookInMs(nowMs) > 0) continue;
    looks += 1;
    guard.learn(asEpoch(7), nowMs);
    expect(guard.settle(Number.MAX_SAFE_INTEGER)).toBe('foreign');
  }
  expect([looks, guard.judge(7)]).toEqual([10, 'current']);
});

it('refuses a leader that was replaced', () => {
  const guard = new EpochGuard(LOOK_MS);
  guard.learn(asEpoch(7), 0);
  expect([guard.judge(6), guard.settle(6)]).toEqual(['unknown', 'stale']);
});

it('follows the record down where the bucket was begun anew', () => {
  const guard = new EpochGuard(LOOK_MS);
  guard.learn(asEpoch(900), 0);
  expect(guard.judge(3)).toBe('unknown');
  expect(guard.learn(asEpoch(3), 201)).toBe(true);
  expect([guard.settle(3), guard.settle(900)]).toEqual(['current', 'foreign']);
});

it('keeps its leader while the record names none', () => {
  const guard = new EpochGuard(LOOK_MS);
  guard.learn(asEpoch(7), 0);
  guard.learn(undefined, 200);
  expect([guard.settle(7), guard.settle(9), guard.settle(5)]).toEqual([
    'current',
    'unverified',
    'unverified',
  ]);
});

it('takes nothing that is no count for an epoch', () => {
  const guard = new EpochGuard(LOOK_MS);
  const odd = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53];
  expect(odd.map((epoch) => guard.judge(epoch))).toEqual(odd.map(() => 'foreign'));
});

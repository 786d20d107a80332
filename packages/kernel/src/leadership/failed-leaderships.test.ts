import { FailedLeaderships } from './failed-leaderships';

it('stays away for longer after each failure, up to a bound, and anew once one went well', () => {
  const failed = new FailedLeaderships({ leaseMs: 5_000 });
  expect(failed.reason).toBeUndefined();
  const waits = Array.from({ length: 5 }, (_, n) => failed.note(new Error(`no ${n}`)));
  expect(waits).toEqual([10_000, 20_000, 40_000, 60_000, 60_000]);
  expect(failed.reason).toBe('no 4');
  failed.clear();
  expect([failed.reason, failed.note('text')]).toEqual([undefined, 10_000]);
});

it('never stays away for less than after a lease that was given up', () => {
  expect(new FailedLeaderships({ leaseMs: 600_000 }).note('no')).toBe(1_200_000);
});

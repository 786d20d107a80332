import type { ReadinessFacts } from './kernel-readiness';
import { judgeReadiness } from './kernel-readiness';

const LEADING: ReadinessFacts = {
  isStopping: false,
  diskLevel: undefined,
  isConnected: true,
  hasLease: true,
  isWatching: true,
  isOtherLeading: false,
  failure: undefined,
  isRunning: true,
  isSlow: false,
  lost: undefined,
  hasResultRoom: true,
};
const FOLLOWING: ReadinessFacts = { ...LEADING, hasLease: false, isRunning: false };

it('is ready while it leads, and while it follows', () => {
  expect(judgeReadiness(LEADING)).toEqual({ isReady: true, state: 'leading' });
  expect(judgeReadiness(FOLLOWING)).toEqual({ isReady: true, state: 'following' });
});

it.each<[Partial<ReadinessFacts>, string, string | undefined]>([
  [{ isStopping: true, diskLevel: 'full' }, 'stopping', undefined],
  [{ diskLevel: 'full', isConnected: false }, 'disk-full', undefined],
  [{ isConnected: false }, 'disconnected', undefined],
  [{ isRunning: false }, 'taking-over', undefined],
  [{ isRunning: false, failure: 'no consumers' }, 'taking-over', 'no consumers'],
  [{ isSlow: true, lost: 'LLMOS_TASKS' }, 'no-progress', undefined],
  [{ lost: 'LLMOS_TASKS', hasResultRoom: false }, 'messages-lost', 'LLMOS_TASKS'],
  [{ hasResultRoom: false }, 'results-full', undefined],
])('a leader of which %j is %s', (changes, state, reason) => {
  const verdict = judgeReadiness({ ...LEADING, ...changes });
  expect([verdict.isReady, verdict.state, verdict.reason]).toEqual([false, state, reason]);
});

it('a follower is not ready before it watches, nor where it failed to lead and nobody else does', () => {
  const failed = { ...FOLLOWING, failure: 'maximum consumers limit reached' };
  expect(judgeReadiness({ ...FOLLOWING, isWatching: false })).toEqual({
    isReady: false,
    state: 'starting',
  });
  expect(judgeReadiness(failed)).toEqual({
    isReady: false,
    state: 'leadership-failed',
    reason: 'maximum consumers limit reached',
  });
  expect(judgeReadiness({ ...failed, isOtherLeading: true }).isReady).toBe(true);
});

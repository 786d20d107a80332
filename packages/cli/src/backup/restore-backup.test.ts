import { CLI_LIMITS } from '../limits';
import { chooseReplicas } from './restore-backup';
import type { StreamServer } from './stream-server';

/** A server that knows so many of its cluster at each look; of them, `takers` take a stream. */
function setUp(counts: readonly number[], { isClustered = true, takers = 3 } = {}) {
  const asked: number[] = [];
  let looks = 0;
  const server = {
    isClustered,
    get serverCount() {
      return counts[Math.min(looks, counts.length - 1)];
    },
    hasRoom: (_bytes: number, replicas: number) => {
      asked.push(replicas);
      return Promise.resolve(replicas <= takers);
    },
    pause: () => {
      looks += 1;
      jest.advanceTimersByTime(CLI_LIMITS.serverLookMs);
      return Promise.resolve();
    },
  } as unknown as StreamServer;
  return { asked, choose: () => chooseReplicas({ server, onStep: () => undefined }) };
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

it('waits for the third server of a cluster that is only coming together', async () => {
  const { asked, choose } = setUp([1, 2, 2, 3]);
  expect(await choose()).toBe(3);
  expect(asked).toEqual([3]);
});

it('takes three of five at once, and waits for nobody where there is no cluster', async () => {
  expect(await setUp([5]).choose()).toBe(3);
  const alone = setUp([1], { isClustered: false });
  expect(await alone.choose()).toBe(1);
  expect(alone.asked).toEqual([]);
});

it.each([
  ['two that stay two', [2], 3, 2],
  ['one that stays alone', [1], 3, 1],
  ['three, of which one has no JetStream', [3], 2, 2],
  ['three, of which one has JetStream', [3], 1, 1],
])('takes what there is after a while: %s', async (_name, counts, takers, replicas) => {
  expect(await setUp(counts, { takers }).choose()).toBe(replicas);
});

import type { TaskId, TenantId } from '@llmos/base';
import { seededRandom } from '@llmos/base';
import { manualClock } from '@llmos/base/testing';
import type { ClientContext } from './client-context';
import type { StoredMessage, StreamDescription } from './ports/stored-messages';
import { createStoredResults } from './stored-results';
import { createMemoryLink } from './testing';

const HOUR_MS = 3_600_000;

/** Results of one tenant, each an hour after the one before; the last is an hour old. */
function setUp(sequences: readonly number[]) {
  const clock = manualClock();
  const purged: { stream: string; subject: string; belowSequence: number }[] = [];
  let looks = 0;
  const storedWallMs = (sequence: number): number =>
    clock.wallMs() - (sequences.length - sequences.indexOf(sequence)) * HOUR_MS;
  const context: ClientContext = {
    tenant: 'acme' as TenantId,
    principal: 'acme' as TenantId,
    timeoutMs: 10_000,
    link: createMemoryLink(() => ({ kind: 'silent' })),
    stored: {
      readLast: async () => ({ kind: 'absent' }),
      readNext: async ({ stream, fromSequence }) => {
        looks += 1;
        const sequence = sequences.find((one) => one >= fromSequence);
        if (sequence === undefined || stream !== 'LLMOS_RESULTS') return { kind: 'absent' };
        const message = { sequence, storedWallMs: storedWallMs(sequence) } as StoredMessage;
        return { kind: 'found', message };
      },
      readStream: async (name) => {
        const lastSequence = name === 'LLMOS_RESULTS' ? (sequences.at(-1) ?? 0) : 0;
        const stream = { name, firstSequence: 1, lastSequence } as StreamDescription;
        return { kind: 'found', stream };
      },
      remove: async () => ({ kind: 'absent' }),
      purge: async (of) => {
        purged.push(of);
        return { kind: 'purged', removed: 1 };
      },
    },
    clock,
    random: seededRandom(1),
    createDoorbell: () => ({ ring: () => undefined, wait: async () => undefined }),
    newTaskId: () => 'a' as TaskId,
    callerId: () => undefined,
  };
  return { results: createStoredResults(context), purged, looks: () => looks };
}

it('removes what is older, of this tenant, and looks for the bound a few times only', async () => {
  const sequences = Array.from({ length: 2_000 }, (_, index) => 7 * index + 3);
  const { results, purged, looks } = setUp(sequences);
  // The last two are one and two hours old.
  expect(await results.prune({ olderThanMs: 2.5 * HOUR_MS })).toEqual({ removed: 1 });
  const [kept = 0] = sequences.slice(-2);
  expect(purged).toEqual([
    {
      stream: 'LLMOS_RESULTS',
      subject: 'llmos.v1.result.acme.*',
      belowSequence: expect.any(Number) as number,
    },
  ]);
  const below = purged[0]?.belowSequence ?? 0;
  expect(below).toBeGreaterThan(kept - 7);
  expect(below).toBeLessThanOrEqual(kept);
  expect(looks()).toBeLessThan(40);
});

it('removes nothing that is younger, and all where all is older', async () => {
  const young = setUp([5, 9]);
  expect(await young.results.prune({ olderThanMs: 3 * HOUR_MS })).toEqual({ removed: 0 });
  // For a server, a bound of 1 is none at all: it would remove everything.
  expect(young.purged).toEqual([]);
  const old = setUp([5, 9]);
  await old.results.prune({ olderThanMs: 60_000 });
  expect(old.purged[0]?.belowSequence).toBe(10);
});

it.each([59_999, 1.5e5 + 0.5, Number.NaN])('refuses an age of %p', async (olderThanMs) => {
  await expect(setUp([]).results.prune({ olderThanMs })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(`olderThanMs is ${olderThanMs}`) as unknown,
  });
});

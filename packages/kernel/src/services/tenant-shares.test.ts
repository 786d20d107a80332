import { asToken } from '@llmos/base';
import type { TenantId } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import { CORE_LIMITS } from '../limits';
import type { StoredShare } from '../ports/result-store';
import { TenantShares } from './tenant-shares';

const { countStoreMs, resultRoomLookMs } = EDGE_LIMITS;
const { nearlyFullShare, tenantStoreShare } = CORE_LIMITS;
const acme = asToken<TenantId>('acme');
const zenith = asToken<TenantId>('zenith');
const MAX = 1_000_000;
const MOST = MAX * tenantStoreShare;
const AGE_MS = 100_000;

function setUp(stored: Record<string, number>) {
  const time = { nowMs: 0 };
  const counts: { answer: (isRead: boolean) => void }[] = [];
  const shares = new TenantShares({
    nowMs: () => time.nowMs,
    wallMs: () => 1_000_000 + time.nowMs,
    maxAgeMs: AGE_MS,
    count: () =>
      new Promise((resolve, reject) => {
        const found = Object.entries(stored).map(([name, bytes]): [TenantId, StoredShare] => [
          asToken<TenantId>(name),
          { bytes, oldestWallMs: 990_000 },
        ]);
        const answer = (isRead: boolean): void =>
          isRead ? resolve(new Map(found)) : reject(new Error('away'));
        counts.push({ answer });
      }),
  });
  const level = (share: number) => ({ stream: 'LLMOS_RESULTS', bytes: share * MAX, maxBytes: MAX });
  const nearlyFull = level(nearlyFullShare + 0.01);
  const look = async (isRead = true): Promise<void> => {
    const looked = shares.look(nearlyFull);
    counts.at(-1)?.answer(isRead);
    await looked;
  };
  return { time, counts, shares, level, nearlyFull, look };
}

it('counts nothing, and refuses nobody, while there is room for everybody', async () => {
  const { shares, counts, level } = setUp({ acme: MAX });
  await shares.look(level(nearlyFullShare));
  expect(counts).toHaveLength(0);
  expect(shares.refusalOf(acme, level(nearlyFullShare))).toBeUndefined();
});

it('refuses the one that has filled it, says when its oldest leaves, and no other', async () => {
  const { shares, nearlyFull, look } = setUp({ acme: MOST + 1, zenith: MOST });
  await look();
  expect(shares.refusalOf(acme, nearlyFull)).toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    message: expect.stringContaining(`tenant acme has ${MOST + 1} of ${MAX} bytes`) as unknown,
    details: { retryAfterMs: 90_000 },
  });
  expect(shares.refusalOf(zenith, nearlyFull)).toBeUndefined();
});

it('adds what is stored after the count, and what was stored while it was under way', async () => {
  const { shares, counts, nearlyFull } = setUp({ acme: MOST - 10 });
  const looked = shares.look(nearlyFull);
  shares.noteStored(acme, 10);
  counts[0]?.answer(true);
  await looked;
  const grownBy = (bytes: number) => ({ ...nearlyFull, bytes: nearlyFull.bytes + bytes });
  expect(shares.refusalOf(acme, grownBy(10))).toBeUndefined();
  shares.noteStored(acme, 1);
  expect(shares.refusalOf(acme, grownBy(11))).toBeDefined();
});

it('adds no more than the store has grown by: what is delivered leaves as fast as it comes', async () => {
  const { shares, nearlyFull, look } = setUp({ acme: MOST - 10 });
  await look();
  for (let stored = 0; stored < MAX; stored += 1_000) shares.noteStored(acme, 1_000);
  expect(shares.refusalOf(acme, nearlyFull)).toBeUndefined();
});

it('remembers no tenant that it did not count: none can have its share before it is counted', async () => {
  const { shares, counts, nearlyFull } = setUp({ acme: MOST - 10 });
  const looked = shares.look(nearlyFull);
  const noteMany = (from: number): void => {
    for (let n = from; n < from + 1_000; n += 1) shares.noteStored(asToken<TenantId>(`t${n}`), 1);
  };
  noteMany(0);
  counts[0]?.answer(true);
  await looked;
  noteMany(1_000);
  expect(shares.size).toBe(1);
});

it('counts again after a while, and forgets it all once there is room', async () => {
  const { shares, time, counts, level, nearlyFull, look } = setUp({ acme: MAX });
  await look();
  await look();
  expect(counts).toHaveLength(1);
  time.nowMs += countStoreMs;
  await look();
  expect(counts).toHaveLength(2);
  await shares.look(level(0.1));
  expect(shares.refusalOf(acme, nearlyFull)).toBeUndefined();
});

it('goes on with what it knew where a count fails', async () => {
  const { shares, time, nearlyFull, look } = setUp({ acme: MAX });
  await look();
  time.nowMs += countStoreMs;
  await look(false);
  const refusal = shares.refusalOf(acme, nearlyFull);
  expect(refusal?.details).toEqual({ retryAfterMs: Math.max(resultRoomLookMs, 60_000) });
});

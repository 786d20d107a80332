import { asToken } from '@llmos/base';
import type { TenantId } from '@llmos/base';
import { ShareCount } from './share-count';

const MAX_TENANTS = 64;
const tenant = (name: string | number): TenantId => asToken<TenantId>(String(name));

it('is exact with as many tenants as it counts, and knows when the oldest was stored', () => {
  const count = new ShareCount(MAX_TENANTS);
  for (let n = 0; n < 3 * MAX_TENANTS; n += 1) count.add(tenant(n % MAX_TENANTS), n, 1_000 + n);
  const shares = count.shares();
  expect(shares.size).toBe(MAX_TENANTS);
  for (let n = 0; n < MAX_TENANTS; n += 1) {
    const bytes = n + (n + MAX_TENANTS) + (n + 2 * MAX_TENANTS);
    expect(shares.get(tenant(n))).toEqual({ bytes, oldestWallMs: 1_000 + n });
  }
});

/** All that is stored, by a flood of tenants and by one that has this share of it. */
function stored(share: number, place: 'early' | 'late' | 'between'): ShareCount {
  const count = new ShareCount(MAX_TENANTS);
  const others = 50_000;
  const own = Math.round((others * share) / (1 - share));
  const addOwn = (times: number, from: number): void => {
    for (let n = 0; n < times; n += 1) count.add(tenant('large'), 100, from + n);
  };
  if (place === 'early') addOwn(own, 0);
  for (let n = 0; n < others; n += 1) {
    count.add(tenant(n), 100, 1_000_000 + n);
    if (place === 'between' && n % 1_000 === 0) addOwn(own / (others / 1_000), 2_000_000 + n);
  }
  if (place === 'late') addOwn(own, 3_000_000);
  return count;
}

it.each(['early', 'late', 'between'] as const)(
  'knows what one has that came %s, among very many that have little',
  (place) => {
    for (const share of [0.1, 0.4, 0.6]) {
      const shares = stored(share, place).shares();
      expect(shares.size).toBeLessThanOrEqual(MAX_TENANTS);
      const total = 50_000 * 100 * (1 / (1 - share));
      const found = shares.get(tenant('large'))?.bytes ?? 0;
      expect(found).toBeLessThanOrEqual(total * share + 100);
      expect(found).toBeGreaterThan(total * share - total / MAX_TENANTS - 100);
      // None of the others has more than it stored.
      for (const [name, { bytes }] of shares) {
        if (name !== 'large') expect(bytes).toBeLessThanOrEqual(100);
      }
    }
  },
);

it('holds no more than twice as many tenants while it counts', () => {
  const count = new ShareCount(MAX_TENANTS);
  let most = 0;
  for (let n = 0; n < 10_000; n += 1) {
    count.add(tenant(n), 1 + (n % 7), n);
    most = Math.max(most, count.size);
  }
  expect(most).toBeLessThan(2 * MAX_TENANTS);
});

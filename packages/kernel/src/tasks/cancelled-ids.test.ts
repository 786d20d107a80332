import { asToken } from '@llmos/base';
import type { TaskId, TenantId } from '@llmos/base';
import { CancelledIds } from './cancelled-ids';

const tenant = (name: string) => asToken<TenantId>(name);
const task = (name: string | number) => asToken<TaskId>(`t${name}`);

function cancel(ids: CancelledIds, of: string, count: number): void {
  for (let n = 0; n < count; n += 1) ids.set(tenant(of), task(n), n);
}

function remembered(ids: CancelledIds, of: string, count: number): number {
  const all = Array.from({ length: count }, (_, n) => ids.atMs(tenant(of), task(n)));
  return all.filter((atMs) => atMs !== undefined).length;
}

it('remembers when an id was cancelled last, for its tenant alone', () => {
  const ids = new CancelledIds(3);
  ids.set(tenant('a'), task(1), 5);
  ids.set(tenant('a'), task(1), 7);
  expect([ids.atMs(tenant('a'), task(1)), ids.atMs(tenant('b'), task(1)), ids.size]).toEqual([
    7,
    undefined,
    1,
  ]);
});

it('one that cancels without end forgets its own, and nothing of another', () => {
  const ids = new CancelledIds(100);
  cancel(ids, 'quiet', 10);
  cancel(ids, 'flood', 10_000);
  expect([remembered(ids, 'quiet', 10), ids.size]).toEqual([10, 100]);
  expect(ids.atMs(tenant('flood'), task(9_999))).toBe(9_999);
});

it('one that comes when all places are taken gets its share', () => {
  const ids = new CancelledIds(100);
  cancel(ids, 'flood', 1_000);
  cancel(ids, 'late', 40);
  cancel(ids, 'flood', 1_000);
  expect([remembered(ids, 'late', 40), ids.size]).toEqual([40, 100]);
});

it('holds its bound with more tenants than places', () => {
  const ids = new CancelledIds(10);
  for (let n = 0; n < 1_000; n += 1) ids.set(tenant(`tenant-${n}`), task(1), n);
  expect(ids.size).toBe(10);
  expect(ids.atMs(tenant('tenant-999'), task(1))).toBe(999);
});

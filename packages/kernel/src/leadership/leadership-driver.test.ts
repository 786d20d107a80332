import type { Clock, Epoch, KernelId, LeaderRecord } from '@llmos/base';
import { silentLogger, systemClock } from '@llmos/base';
import { EDGE_LIMITS } from '../edge-limits';
import { LeadershipDriver } from './leadership-driver';
import type { LeadershipStore, StoredLeader } from '../ports/leadership-store';

/** One key with compare-and-set; writes can be made to hang. */
class MemoryStore implements LeadershipStore {
  stored: StoredLeader | undefined;
  isHanging = false;
  private readonly watchers = new Set<() => void>();

  read(): Promise<StoredLeader | undefined> {
    return this.isHanging ? new Promise(() => undefined) : Promise.resolve(this.stored);
  }

  write(
    record: LeaderRecord,
    expectedRevision: number,
  ): Promise<{ kind: 'written'; revision: number } | { kind: 'conflict' }> {
    if (this.isHanging) return new Promise(() => undefined);
    if ((this.stored?.revision ?? 0) !== expectedRevision) {
      return Promise.resolve({ kind: 'conflict' });
    }
    const revision = expectedRevision + 1;
    this.stored = { record: { ...record, epoch: record.epoch || revision }, revision };
    for (const notify of this.watchers) notify();
    return Promise.resolve({ kind: 'written', revision });
  }

  watch(onChange: () => void): Promise<() => void> {
    this.watchers.add(onChange);
    return Promise.resolve(() => this.watchers.delete(onChange));
  }
}

/** Passes as the system's does, but for the time in which this program stood still. */
function wakefulClock(): Clock {
  let readMs = systemClock.nowMs();
  let nowMs = readMs;
  return {
    ...systemClock,
    nowMs: () => {
      const at = systemClock.nowMs();
      nowMs += Math.min(at - readMs, 20);
      readMs = at;
      return nowMs;
    },
  };
}

const wakeful = wakefulClock();
const drivers: LeadershipDriver[] = [];
afterEach(async () => {
  await Promise.all(drivers.splice(0).map((driver) => driver.stop()));
});

function driverOf(store: LeadershipStore, name: string, leaseMs = 600, clock = wakeful) {
  const granted: Epoch[] = [];
  const lost: string[] = [];
  const foreign: number[] = [];
  const lapses: string[] = [];
  const driver = new LeadershipDriver({
    store,
    clock,
    log: silentLogger,
    leaseMs,
    self: { kernelId: name as KernelId, httpUrl: '', grpcUrl: name },
    onGranted: (epoch) => granted.push(epoch),
    onLapsed: () => lapses.push('lapsed'),
    onRegained: () => lapses.push('regained'),
    onLost: (reason) => lost.push(reason),
    onForeign: (revision) => foreign.push(revision),
  });
  drivers.push(driver);
  driver.start();
  return { driver, granted, lost, foreign, lapses };
}

async function until(look: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + 60_000;
  while (!look()) {
    wakeful.nowMs();
    if (performance.now() > endMs) throw new Error(`waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

it('grants the lease to one of two, and keeps it there', async () => {
  const store = new MemoryStore();
  const one = driverOf(store, 'one');
  const two = driverOf(store, 'two');
  await until(() => one.driver.isLeading() || two.driver.isLeading(), 'a leader');
  const revision = store.stored?.revision ?? 0;
  await until(() => (store.stored?.revision ?? 0) > revision + 3, 'some renewals');
  expect(one.granted.length + two.granted.length).toBe(1);
  expect(one.driver.leader()?.kernelId).toBe(two.driver.leader()?.kernelId);
});

it('goes on leading over a record that no kernel can have written, and reports it once', async () => {
  const store = new MemoryStore();
  const { driver, granted, lost, foreign } = driverOf(store, 'one');
  const standby = driverOf(store, 'two');
  await until(() => driver.isLeading() || standby.driver.isLeading(), 'a leader');
  const before = store.stored?.revision ?? 0;
  store.stored = { record: undefined, revision: before + 5 };
  await until(() => store.stored?.record !== undefined, 'the leader to write over it');
  await until(() => (store.stored?.revision ?? 0) > before + 8, 'some renewals');
  const grants = [...granted, ...standby.granted];
  expect([grants.length, lost, standby.lost]).toEqual([1, [], []]);
  expect(store.stored?.record?.epoch).toBe(grants[0]);
  expect(new Set([...foreign, ...standby.foreign])).toEqual(new Set([before + 5]));
});

it('lets a standby in at once after a clean stop, far before the lease ends', async () => {
  const store = new MemoryStore();
  const one = driverOf(store, 'one', 60_000);
  await until(() => one.driver.isLeading(), 'the first leader');
  const two = driverOf(store, 'two', 60_000);
  await until(() => two.driver.leader()?.kernelId === 'one', 'the standby to watch');
  await one.driver.stop();
  await until(() => two.driver.isLeading(), 'the standby to lead');
  expect(one.lost).toEqual(['stopping']);
  expect(two.granted[0]).toBeGreaterThan(one.granted[0] ?? 0);
});

it('does nothing while the store does not answer, and goes on with its leadership then', async () => {
  const store = new MemoryStore();
  const one = driverOf(store, 'one');
  await until(() => one.driver.isLeading(), 'the leader');
  const two = driverOf(store, 'two');
  await until(() => two.driver.leader() !== undefined, 'the standby to watch');
  store.isHanging = true;
  await until(() => one.lapses.length === 1, 'the end of the lease');
  expect(one.driver.isLeading()).toBe(false);
  // Silent for two leases, for the standby too.
  const untilMs = wakeful.nowMs() + 1_200;
  await until(() => wakeful.nowMs() > untilMs, 'the store to be away for longer than a lease');
  store.isHanging = false;
  await until(() => one.driver.isLeading(), 'the same leadership to go on');
  expect([one.granted.length, one.lost, one.lapses]).toEqual([1, [], ['lapsed', 'regained']]);
  expect(store.stored?.record?.epoch).toBe(one.granted[0]);
  expect(two.granted).toEqual([]);
});

it('ends a lapsed leadership as soon as it sees that another kernel took the lease', async () => {
  const store = new MemoryStore();
  const { driver, granted, lost, lapses } = driverOf(store, 'one');
  await until(() => driver.isLeading(), 'the leader');
  store.isHanging = true;
  await until(() => lapses.length === 1, 'the end of the lease');
  const before = store.stored;
  if (before?.record === undefined) throw new Error('no record');
  const revision = before.revision + 1;
  store.stored = {
    record: { ...before.record, kernelId: 'two' as KernelId, epoch: revision },
    revision,
  };
  store.isHanging = false;
  await until(() => lost.length === 1, 'the end of the leadership');
  expect([lost, lapses, granted.length]).toEqual([['replaced'], ['lapsed'], 1]);
});

it('ends a lapsed leadership after a bound, and takes its own former lease without waiting', async () => {
  const store = new MemoryStore();
  let nowMs = 0;
  const clock = { ...systemClock, nowMs: () => nowMs };
  const { driver, granted, lost, lapses } = driverOf(store, 'one', 600, clock);
  await until(() => driver.isLeading(), 'the leader');
  store.isHanging = true;
  nowMs = 650;
  await until(() => lapses.length === 1, 'the end of the lease');
  nowMs += EDGE_LIMITS.lapseMs;
  await until(() => lost.length === 1, 'the end of the leadership');
  expect(lost).toEqual(['lease-expired']);
  store.isHanging = false;
  // The clock stands still: nothing is waited out.
  await until(() => granted.length === 2, 'the next leadership');
  expect(granted[1]).toBeGreaterThan(granted[0] ?? 0);
});

it('acts no more on a lease that ended before the answer to its renewal came', async () => {
  const store = new MemoryStore();
  let nowMs = 0;
  const clock = { ...systemClock, nowMs: () => nowMs };
  const { driver, granted, lost, lapses } = driverOf(store, 'one', 600, clock);
  await until(() => driver.isLeading(), 'the leader');
  const write = store.write.bind(store);
  store.write = async (record, expectedRevision) => {
    const written = await write(record, expectedRevision);
    // Sent before the end, read after it.
    nowMs = 650;
    store.write = write;
    return written;
  };
  nowMs = 590;
  await until(() => nowMs === 650, 'the renewal');
  await until(() => lapses.length === 2, 'the lease to be regained');
  expect([lapses, lost, granted.length]).toEqual([['lapsed', 'regained'], [], 1]);
});

it('gives the lease up to whoever stands by', async () => {
  const store = new MemoryStore();
  const one = driverOf(store, 'one');
  await until(() => one.driver.isLeading(), 'the first leader');
  const two = driverOf(store, 'two');
  await until(() => two.driver.leader() !== undefined, 'the standby to watch');
  await one.driver.giveUp();
  await until(() => two.driver.isLeading(), 'the standby to lead');
  expect(one.driver.isLeading()).toBe(false);
});

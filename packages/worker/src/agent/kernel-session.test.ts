import { asEpoch, asTarget, silentLogger } from '@llmos/base';
import type { NodeRegistration, ProcessId, ReceivedCommand } from '@llmos/base';
import { EpochGate } from '@llmos/process';
import type { Alarm } from '../ports/alarm';
import type { KernelLineEvents } from '../ports/kernel-link';
import { KernelSession } from './kernel-session';

/** Rings when told. */
class ManualAlarm implements Alarm {
  private readonly due = new Map<object, { atMs: number; ring: () => void }>();
  nowMs = 0;
  after(delayMs: number, ring: () => void): () => void {
    const key = {};
    this.due.set(key, { atMs: this.nowMs + delayMs, ring });
    return () => this.due.delete(key);
  }
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const next = [...this.due].sort((a, b) => a[1].atMs - b[1].atMs).at(0);
      if (next === undefined || next[1].atMs > endMs) break;
      this.due.delete(next[0]);
      this.nowMs = next[1].atMs;
      next[1].ring();
    }
    this.nowMs = endMs;
  }
}

interface Dialled {
  readonly url: string;
  readonly events: KernelLineEvents;
  beats: number;
  leavingBeats: number;
  isClosed: boolean;
}

function setUp() {
  const alarm = new ManualAlarm();
  const dialled: Dialled[] = [];
  const orders: string[] = [];
  /** What the leader's record says. */
  const leader = { epoch: 1 };
  const session = new KernelSession({
    link: {
      attach: (url, _registration, events) => {
        const line: Dialled = { url, events, beats: 0, leavingBeats: 0, isClosed: false };
        dialled.push(line);
        return {
          heartbeat: (beat) => {
            line.beats += 1;
            if (beat.isLeaving === true) line.leavingBeats += 1;
          },
          processChanged: () => undefined,
          close: async () => void (line.isClosed = true),
        };
      },
    },
    processes: {
      start: (order) => void orders.push(`start ${order.pid}`),
      stop: (order) => void orders.push(`stop ${order.pid}`),
      refuse: (order, why) => void orders.push(`refuse ${order.pid}: ${why}`),
    },
    registration: () => ({}) as NodeRegistration,
    beat: () => ({ freeMemoryBytes: 1, contexts: [], memory: [] }),
    openGate: (events) =>
      new EpochGate({
        readEpoch: async () => asEpoch(leader.epoch),
        nowMs: () => alarm.nowMs,
        wait: (waitMs) => new Promise<void>((resolve) => void alarm.after(waitMs, resolve)),
        onUnread: () => undefined,
        ...events,
      }),
    alarm,
    random: () => 0,
    log: silentLogger,
  });
  const last = (): Dialled => {
    const line = dialled.at(-1);
    if (line === undefined) throw new Error('nothing was dialled');
    return line;
  };
  const welcome: ReceivedCommand = { kind: 'welcome', heartbeatMs: 1000, leaseMs: 5000 };
  return { alarm, dialled, orders, session, last, welcome, leader };
}

/** Until what waits for the leader's record has it. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('kernel session', () => {
  it('attaches to the leader and beats as it is told', async () => {
    const { alarm, session, last, welcome } = setUp();
    session.follow({ url: 'a:1', epoch: 1 });
    expect(session.isAttached).toBe(false);
    last().events.command(1, welcome);
    await settled();
    alarm.advance(3500);
    expect(last().beats).toBe(4);
    expect(session.isAttached).toBe(true);
  });

  it('follows a new leader at once and hears the old one no more', async () => {
    const { session, dialled, orders, welcome } = setUp();
    session.follow({ url: 'a:1', epoch: 1 });
    dialled[0]?.events.command(1, welcome);
    await settled();
    session.follow({ url: 'b:1', epoch: 2 });
    expect(dialled.map((line) => line.url)).toEqual(['a:1', 'b:1']);
    expect(dialled[0]?.isClosed).toBe(true);
    const pid = 'p1-1' as ProcessId;
    dialled[0]?.events.command(1, { kind: 'stop', pid, incarnation: 1, graceMs: 0 });
    await settled();
    expect(orders).toEqual([]);
  });

  it('tries again with growing waits, and at once when the leader changes', () => {
    const { alarm, session, dialled } = setUp();
    session.follow({ url: 'a:1', epoch: 1 });
    for (let failures = 0; failures < 20; failures += 1) {
      dialled.at(-1)?.events.closed('refused');
      alarm.advance(3000);
    }
    const before = dialled.length;
    expect(before).toBe(21);
    dialled.at(-1)?.events.closed('refused');
    session.follow({ url: 'b:1', epoch: 2 });
    expect(dialled.at(-1)?.url).toBe('b:1');
    alarm.advance(100);
    expect(dialled).toHaveLength(before + 1);
  });

  it('gives up on a kernel that does not welcome it', () => {
    const { alarm, session, dialled } = setUp();
    session.follow({ url: 'a:1', epoch: 1 });
    alarm.advance(10_000);
    expect(dialled.length).toBeGreaterThan(1);
    expect(dialled[0]?.isClosed).toBe(true);
  });

  it('goes where a kernel that does not lead sends it', () => {
    const { alarm, session, dialled, last } = setUp();
    session.follow({ url: 'a:1', epoch: 0 });
    last().events.command(0, { kind: 'not-leader', leaderUrl: 'c:1' });
    alarm.advance(1000);
    expect(dialled.map((line) => line.url)).toEqual(['a:1', 'c:1']);
  });

  it('obeys no command of a lower epoch', async () => {
    const { alarm, session, orders, last, welcome, leader } = setUp();
    leader.epoch = 5;
    session.follow({ url: 'a:1', epoch: 5 });
    last().events.command(5, welcome);
    await settled();
    const line = last();
    const pid = 'p1-1' as ProcessId;
    line.events.command(4, { kind: 'stop', pid, incarnation: 1, graceMs: 0 });
    alarm.advance(300);
    await settled();
    expect(orders).toEqual([]);
    expect(line.isClosed).toBe(true);
  });

  it('is not won by a kernel with a huge epoch, and obeys the leader after it', async () => {
    const { alarm, session, dialled, orders, last, welcome } = setUp();
    session.follow({ url: 'a:1', epoch: 1 });
    last().events.command(Number.MAX_SAFE_INTEGER, welcome);
    await settled();
    expect(session.isAttached).toBe(false);
    alarm.advance(2_000);
    expect(dialled).toHaveLength(2);
    last().events.command(1, welcome);
    await settled();
    last().events.command(1, {
      kind: 'stop',
      pid: 'p1-1' as ProcessId,
      incarnation: 1,
      graceMs: 0,
    });
    expect([session.isAttached, orders]).toEqual([true, ['stop p1-1']]);
  });

  it('obeys the leader of a bucket that was begun anew', async () => {
    const { alarm, session, last, welcome, leader } = setUp();
    leader.epoch = 900;
    session.follow({ url: 'a:1', epoch: 900 });
    last().events.command(900, welcome);
    await settled();
    leader.epoch = 3;
    session.follow({ url: 'b:1', epoch: 3 });
    alarm.advance(1_000);
    last().events.command(3, welcome);
    await settled();
    expect(session.isAttached).toBe(true);
  });

  it('refuses an order that it can’t read', async () => {
    const { session, orders, last, leader } = setUp();
    leader.epoch = 5;
    session.follow({ url: 'a:1', epoch: 5 });
    const spec = { unreadable: 'device is "x"', target: asTarget('m@1') };
    last().events.command(5, { kind: 'start', pid: 'p1-1' as ProcessId, incarnation: 1, spec });
    await settled();
    expect(orders).toEqual(['refuse p1-1: device is "x"']);
  });

  it('tells that it stops at once, with each beat, and to a leader that comes later', async () => {
    const { alarm, session, dialled, welcome, leader } = setUp();
    session.follow({ url: 'a:1', epoch: 1 });
    session.leave();
    expect(dialled[0]?.beats).toBe(0);
    dialled[0]?.events.command(1, welcome);
    await settled();
    session.leave();
    alarm.advance(1000);
    expect(dialled[0]).toMatchObject({ beats: 3, leavingBeats: 3 });
    leader.epoch = 2;
    session.follow({ url: 'b:1', epoch: 2 });
    dialled[1]?.events.command(2, welcome);
    await settled();
    expect(dialled[1]).toMatchObject({ beats: 1, leavingBeats: 1 });
  });

  it('dials no more once it is closed', async () => {
    const { alarm, session, dialled, last } = setUp();
    session.follow({ url: 'a:1', epoch: 1 });
    last().events.closed('refused');
    await session.close();
    session.follow({ url: 'b:1', epoch: 2 });
    alarm.advance(60_000);
    expect(dialled).toHaveLength(1);
  });
});

import type { NodeId, ProcessId } from '@llmos/base';
import { MemoryLedger } from './memory-ledger';

const nodeId = 'node' as NodeId;
const pid = (name: string) => name as ProcessId;

function ledger(): MemoryLedger {
  const created = new MemoryLedger(0.1);
  created.setDevices(nodeId, [{ id: 'cpu', capacityBytes: 1000 }]);
  return created;
}

const request = (name: string, bytes: number) => ({
  pid: pid(name),
  nodeId,
  deviceId: 'cpu',
  bytes,
});

describe('memory ledger', () => {
  it('promises no more than the capacity less the headroom', () => {
    const book = ledger();
    expect(book.tryReserve(request('a', 600))).toBe(true);
    expect(book.tryReserve(request('b', 301))).toBe(false);
    expect(book.tryReserve(request('b', 300))).toBe(true);
    expect(book.balance(nodeId, 'cpu')).toMatchObject({ reservedBytes: 900, freeBytes: 0 });
    expect(book.violations()).toEqual([]);
  });

  it('grants a measured excess only as far as it is free', () => {
    const book = ledger();
    book.tryReserve(request('a', 400));
    book.tryReserve(request('b', 400));
    book.commit(pid('a'), 10_000);
    expect(book.bytesOf(pid('a'))).toBe(500);
    expect(book.balance(nodeId, 'cpu')).toMatchObject({ committedBytes: 500, freeBytes: 0 });
    expect(book.violations()).toEqual([]);
  });

  it('keeps what was reserved where less was measured', () => {
    const book = ledger();
    book.tryReserve(request('a', 400));
    book.commit(pid('a'), 10);
    expect(book.bytesOf(pid('a'))).toBe(400);
  });

  it('lets a ready process grow into free room and shrink to what it began with', () => {
    const book = ledger();
    book.tryReserve(request('a', 400));
    book.measure(pid('a'), 800);
    expect(book.balance(nodeId, 'cpu')).toMatchObject({ reservedBytes: 400, committedBytes: 0 });
    book.commit(pid('a'), 450);
    book.measure(pid('a'), 600);
    expect(book.balance(nodeId, 'cpu')).toMatchObject({ committedBytes: 600, freeBytes: 300 });
    book.measure(pid('a'), 10_000);
    expect(book.bytesOf(pid('a'))).toBe(900);
    book.measure(pid('a'), 10);
    expect(book.balance(nodeId, 'cpu')).toMatchObject({ committedBytes: 450, freeBytes: 450 });
    book.measure(pid('a'), Number.NaN);
    expect(book.bytesOf(pid('a'))).toBe(450);
    expect(book.violations()).toEqual([]);
  });

  it('gives everything back once, also when released twice', () => {
    const book = ledger();
    book.tryReserve(request('a', 400));
    book.commit(pid('a'), 400);
    book.release(pid('a'));
    book.release(pid('a'));
    expect(book.balance(nodeId, 'cpu')).toMatchObject({ committedBytes: 0, freeBytes: 900 });
  });

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('refuses to reserve %p bytes', (bytes) => {
    expect(ledger().tryReserve(request('a', bytes))).toBe(false);
  });
});

import type { AttemptRef, TaskId, TenantId } from '@llmos/base';
import { asEpoch } from '@llmos/base';
import { FinishedTable } from './finished-table';

const ref = (task: string): AttemptRef => ({
  tenant: 'acme' as TenantId,
  task: task as TaskId,
  attempt: 1,
});
const ended = (task: string) => ({
  ref: ref(task),
  outcome: { kind: 'committed', ok: true } as const,
});
const create = (maxUnconfirmed = 8): FinishedTable =>
  new FinishedTable({
    maxUnconfirmed,
    maxConfirmed: 8,
    resend: { firstMs: 100, factor: 2, maxMs: 300 },
  });

describe('finished table', () => {
  it('repeats an end with backoff until it is confirmed', () => {
    const table = create();
    table.add(ended('a'), 0);
    const sentAt = Array.from({ length: 100 }, (_, tick) => tick * 10).filter(
      (nowMs) => table.takeDue(nowMs).length > 0,
    );
    expect(sentAt).toEqual([0, 100, 300, 600, 900]);
    table.confirm(ref('a'), asEpoch(1));
    expect(table.takeDue(10_000)).toEqual([]);
  });

  it('tells what an attempt cost, each time', () => {
    const table = create();
    const cost = { deviceMs: 1, cpuMs: 4, inputTokens: 2, outputTokens: 3 };
    table.add({ ...ended('a'), cost }, 0);
    expect(table.takeDue(0)).toEqual([{ ...ended('a'), cost }]);
    table.confirm(ref('a'), asEpoch(1));
    expect(table.recall(ref('a'), asEpoch(1), 0)).toBe(true);
    expect(table.takeDue(0)).toEqual([{ ...ended('a'), cost }]);
  });

  it('sends everything again to a new leader at once', () => {
    const table = create();
    table.add(ended('a'), 0);
    table.takeDue(0);
    expect(table.takeDue(1)).toEqual([]);
    table.makeAllDue(1);
    expect(table.takeDue(1)).toHaveLength(1);
  });

  it('does not let a late execute of the same epoch run a confirmed attempt again', () => {
    const table = create();
    table.add(ended('a'), 0);
    table.takeDue(0);
    table.confirm(ref('a'), asEpoch(3));
    expect(table.recall(ref('a'), asEpoch(3), 5)).toBe(true);
    expect(table.takeDue(5)).toHaveLength(1);
  });

  it('lets a later leader run a confirmed attempt again', () => {
    const table = create();
    table.add(ended('a'), 0);
    table.confirm(ref('a'), asEpoch(3));
    expect(table.recall(ref('a'), asEpoch(4), 5)).toBe(false);
    expect(table.takeDue(5)).toEqual([]);
  });

  it('drops the oldest end, and says which, when it is full', () => {
    const table = create(2);
    table.add(ended('a'), 0);
    table.add(ended('b'), 0);
    expect(table.add(ended('c'), 0)?.ref.task).toBe('a');
    expect(table.refs().map((of) => of.task)).toEqual(['b', 'c']);
  });
});

import type { TaskClass, TenantId } from '@llmos/base';
import type { Ranked } from './waiting-order';
import { TenantTurns } from './waiting-order';

const of = (tenant: string, more: Partial<Ranked> = {}): Ranked => ({
  tenant: tenant as TenantId,
  class: 'interactive',
  priority: 5,
  sequence: 1,
  ...more,
});
const tenantsOf = (waiting: readonly Ranked[]) => waiting.map(({ tenant }) => tenant).join(' ');
const flood = ['a', 'a', 'a', 'b', 'c', 'b'].map((tenant) => of(tenant));

describe('turns of tenants', () => {
  it('come where class and priority are equal', () => {
    expect(tenantsOf(new TenantTurns().inOrder(flood))).toBe('a b c a b a');
    const turns = new TenantTurns();
    for (let count = 0; count < 9; count += 1) turns.began(of('a'));
    const urgent = of('a', { priority: 9 });
    expect(tenantsOf(turns.inOrder([urgent, of('b'), of('b', { class: 'batch' })]))).toBe('a b b');
  });

  it('go first to whoever has less running, then to whoever was served longer ago', () => {
    const turns = new TenantTurns();
    turns.began(of('a'));
    turns.began(of('a'));
    expect(tenantsOf(turns.inOrder(flood))).toBe('b c b a a a');
    turns.ended(of('a'));
    turns.ended(of('a'));
    expect(tenantsOf(turns.inOrder(flood))).toBe('b c a b a a');
    turns.emptied();
    expect(tenantsOf(turns.inOrder(flood))).toBe('a b c a b a');
  });

  it('leave the order of one tenant alone', () => {
    const waiting = [1, 2, 3].map((sequence) => of('a', { sequence }));
    expect(new TenantTurns().inOrder(waiting)).toEqual(waiting);
  });
});

describe('what comes in between', () => {
  const turns = new TenantTurns();
  const as = (taskClass: TaskClass, priority = 5) => of('a', { class: taskClass, priority });

  it('is of a higher class, or priority within the class, and never only older', () => {
    expect(turns.mayInterrupt(as('interactive'), as('batch'))).toBe(true);
    expect(turns.mayInterrupt(as('batch'), as('interactive'))).toBe(false);
    expect(turns.mayInterrupt(as('batch', 6), as('batch'))).toBe(true);
    expect(turns.mayInterrupt(as('batch', 9), as('standard', 0))).toBe(false);
    expect(turns.mayInterrupt(of('a', { sequence: 1 }), of('a', { sequence: 2 }))).toBe(false);
  });

  it('is a guest, as urgent and of somebody else who has nothing here', () => {
    const [host, guest] = [of('a'), of('b')];
    expect(turns.isGuest(guest, host)).toBe(true);
    expect(turns.isGuest(of('a'), host)).toBe(false);
    expect(turns.isGuest({ ...guest, class: 'standard' }, host)).toBe(false);
    turns.began(guest);
    expect(turns.isGuest(guest, host)).toBe(false);
    turns.ended(guest);
    expect(turns.isGuest(guest, host)).toBe(true);
  });
});

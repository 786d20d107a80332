import { StateTable } from './state-table';
import { zeroTensor } from './tensor-values';

function state(floats: number) {
  return new Map([['state', zeroTensor('float32', [floats])]]);
}

describe('state by key', () => {
  it('forgets the least recently used key beyond its count', () => {
    const table = new StateTable({ maxKeys: 2, maxBytes: 1000 });
    table.set('a', state(1));
    table.set('b', state(1));
    table.get('a');
    table.set('c', state(1));
    expect([table.get('a'), table.get('c')]).not.toContain(undefined);
    expect(table.get('b')).toBeUndefined();
  });

  it('stays within its bytes, but keeps the newest', () => {
    const table = new StateTable({ maxKeys: 100, maxBytes: 100 });
    table.set('a', state(10));
    table.set('b', state(10));
    table.set('b', state(10));
    expect(table.size).toBe(2);
    table.set('c', state(10));
    expect(table.get('a')).toBeUndefined();
    table.set('huge', state(1000));
    expect(table.size).toBe(1);
  });
});

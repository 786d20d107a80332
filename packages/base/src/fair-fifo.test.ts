import { FairFifo } from './fair-fifo';

function fill(counts: Readonly<Record<string, number>>): FairFifo<string, string> {
  const line = new FairFifo<string, string>();
  for (const [owner, count] of Object.entries(counts)) {
    for (let index = 1; index <= count; index += 1) line.push(owner, `${owner}${index}`);
  }
  return line;
}

function drain(line: FairFifo<string, string>): string[] {
  const taken: string[] = [];
  for (let item = line.take(); item !== undefined; item = line.take()) taken.push(item);
  return taken;
}

it('takes one of each owner in turn, each owner’s in order', () => {
  expect(drain(fill({ a: 4, b: 1, c: 2 }))).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3', 'a4']);
});

it('serves who comes late after one of who fills the line', () => {
  const line = fill({ flood: 1_000 });
  expect(line.take()).toBe('flood1');
  line.push('other', 'other1');
  expect([line.take(), line.take()]).toEqual(['flood2', 'other1']);
});

it('gives nobody two turns who comes back while others wait', () => {
  const line = fill({ a: 1, b: 2 });
  expect(line.take()).toBe('a1');
  line.push('a', 'a2');
  expect(drain(line)).toEqual(['b1', 'a2', 'b2']);
});

it('counts what waits, in all and of one owner', () => {
  const line = fill({ a: 2, b: 3 });
  line.take();
  expect([line.size, line.sizeOf('a'), line.sizeOf('b'), line.sizeOf('c')]).toEqual([4, 1, 3, 0]);
  expect(line.takeAll()).toHaveLength(4);
  expect([line.size, line.sizeOf('b'), line.take()]).toEqual([0, 0, undefined]);
});

it('passes over who may not go, and keeps its turn', () => {
  const line = fill({ a: 2, b: 2 });
  expect([line.take((owner) => owner !== 'a'), line.take(() => false)]).toEqual(['b1', undefined]);
  expect(drain(line)).toEqual(['a1', 'b2', 'a2']);
});

import { Fifo } from './fifo';

it('gives what was put in, the oldest first, however many there are', () => {
  const line = new Fifo<number>();
  const taken: (number | undefined)[] = [];
  let next = 0;
  for (let round = 0; round < 500; round += 1) {
    for (let count = 0; count < 20; count += 1) line.push(next++);
    for (let count = 0; count < 15; count += 1) taken.push(line.take());
    expect(line.size).toBe(next - taken.length);
    expect(line.peek()).toBe(taken.length);
  }
  while (line.size > 0) taken.push(line.take());
  expect(taken).toEqual(Array.from({ length: next }, (_, index) => index));
});

it('is empty at its end, and goes on afterwards', () => {
  const line = new Fifo<string>();
  expect([line.take(), line.peek(), line.size]).toEqual([undefined, undefined, 0]);
  line.push('a');
  expect([line.take(), line.take(), line.size]).toEqual(['a', undefined, 0]);
  line.push('b');
  expect([line.peek(), line.size]).toEqual(['b', 1]);
});

it('gives all that is left at once', () => {
  const line = new Fifo<number>();
  for (const item of [1, 2, 3]) line.push(item);
  line.take();
  expect(line.takeAll()).toEqual([2, 3]);
  expect([line.takeAll(), line.size]).toEqual([[], 0]);
});

it('holds nothing of what was taken', () => {
  const line = new Fifo<{ readonly bytes: Uint8Array }>();
  for (let count = 0; count < 10; count += 1) line.push({ bytes: new Uint8Array(1) });
  for (let count = 0; count < 9; count += 1) line.take();
  expect(JSON.stringify(line).match(/bytes/g)).toHaveLength(1);
});

import type { FairWindowLimits } from './fair-window';
import { FairWindow } from './fair-window';

function setUp(limits: Partial<FairWindowLimits> = {}) {
  const window = new FairWindow<string>({ maxOpen: 2, maxOpenPerOwner: 2, ...limits });
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const fails = new Map<string, (error: Error) => void>();
  const outcomes: string[] = [];
  const ask = (name: string, weight = 0): void => {
    const start = (): Promise<void> => {
      begun.push(name);
      return new Promise((resolve, reject) => {
        ends.set(name, resolve);
        fails.set(name, reject);
      });
    };
    window.run(name.charAt(0), start, weight).then(
      () => outcomes.push(name),
      (error: Error) => outcomes.push(`${name}: ${error.message}`),
    );
  };
  const settle = (): Promise<void> => new Promise(setImmediate);
  const end = (name: string): Promise<void> => {
    ends.get(name)?.();
    return settle();
  };
  const fail = (name: string): Promise<void> => {
    fails.get(name)?.(new Error('broken'));
    return settle();
  };
  return { window, begun, ask, end, fail, settle, outcomes };
}

it('begins so many at once, and the owners take turns in what waits', async () => {
  const { window, begun, ask, end } = setUp();
  for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2']) ask(name);
  expect(begun).toEqual(['a1', 'a2']);
  expect([window.open.count, window.waiting.count]).toEqual([2, 4]);
  await end('a1');
  await end('a2');
  expect(begun).toEqual(['a1', 'a2', 'a3', 'b1']);
});

it('leaves room that one owner may not take to the others', async () => {
  const { begun, ask, end } = setUp({ maxOpen: 3, maxOpenPerOwner: 1 });
  for (const name of ['a1', 'a2', 'b1']) ask(name);
  expect(begun).toEqual(['a1', 'b1']);
  await end('a1');
  expect(begun).toEqual(['a1', 'b1', 'a2']);
});

it('begins no more while what is open weighs too much, and anything where nothing is open', async () => {
  const { begun, ask, end } = setUp({ maxOpen: 9, maxOpenPerOwner: 9, maxOpenWeight: 10 });
  ask('a1', 50);
  ask('b1', 1);
  expect(begun).toEqual(['a1']);
  await end('a1');
  expect(begun).toEqual(['a1', 'b1']);
});

it('hands on what a piece answers or throws, and goes on either way', async () => {
  const { window, begun, ask, fail, end, outcomes } = setUp({ maxOpen: 1 });
  for (const name of ['a1', 'a2']) ask(name);
  await fail('a1');
  expect(begun).toEqual(['a1', 'a2']);
  await end('a2');
  expect(outcomes).toEqual(['a1: broken', 'a2']);
  expect([window.open.count, window.waiting.count]).toEqual([0, 0]);
});

it('lets nothing overtake what its owner has in line', async () => {
  const { begun, ask, end } = setUp({ maxOpen: 2, maxOpenPerOwner: 1 });
  for (const name of ['a1', 'a2']) ask(name);
  await end('a1');
  ask('a3');
  expect(begun).toEqual(['a1', 'a2']);
});

it('drops what waits, and is idle once what is open has ended', async () => {
  const { window, ask, end, settle, outcomes } = setUp({ maxOpen: 1 });
  for (const name of ['a1', 'a2']) ask(name);
  let isIdle = false;
  const idle = window.idle().then(() => (isIdle = true));
  window.dropWaiting(() => new Error('dropped'));
  await settle();
  expect([isIdle, outcomes]).toEqual([false, ['a2: dropped']]);
  await end('a1');
  await idle;
  expect(outcomes).toEqual(['a2: dropped', 'a1']);
});

import { assertNoneMisread } from './lost-stores';

const store = (firstSequence: number) => ({ firstSequence });

it('refuses a server that takes the marks of a newer one for numbers, by name', () => {
  const found = new Map([
    ['LLMOS_TASKS', store(2 ** 62 + 1)],
    ['LLMOS_RESULTS', store(1)],
  ]);
  expect(() => assertNoneMisread(found, '2.9.10')).toThrow(/NATS 2\.9\.10 misreads LLMOS_TASKS:/);
});

it('takes whatever number a stream that was used for long begins at', () => {
  const found = new Map([['LLMOS_TASKS', store(Number.MAX_SAFE_INTEGER)]]);
  expect(() => assertNoneMisread(found, undefined)).not.toThrow();
});

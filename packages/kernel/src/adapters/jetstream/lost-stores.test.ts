import { assertNoneBehind, assertNoneMisread } from './lost-stores';

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

it('names the stores whose messages are gone, how far they had got, and the way on', () => {
  const behind = [
    { name: 'LLMOS_TASKS', notedSequence: 9, lastSequence: 0 },
    { name: 'LLMOS_RESULTS', notedSequence: 8, lastSequence: 7 },
  ];
  expect(() => assertNoneBehind([])).not.toThrow();
  expect(() => assertNoneBehind(behind)).toThrow(
    expect.objectContaining({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(
        /TASKS held messages up to 9 and begins anew; LLMOS_RESULTS .*ANEW=LLMOS_TASKS,LLMOS_RESULTS$/,
      ) as string,
    }),
  );
});
